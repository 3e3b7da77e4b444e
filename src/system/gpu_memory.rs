//! How much memory a GPU has, where its driver tells: that of NVIDIA through `nvidia-smi`, that of AMD through the kernel's files.

use std::path::Path;
use std::process::Command;

use super::process::answer_of;

/// Where the kernel has a folder for each card.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// Memory of the card at this address of the PCI bus, such as `0000:65:00.0`.
pub fn bytes_of_card(address: &str) -> Option<u64> {
    amd_bytes(Path::new(PCI_DEVICES), address).or_else(|| nvidia_bytes(address))
}

/// Memory of a GPU of NVIDIA, by its index or its address of the PCI bus.
pub fn nvidia_bytes(gpu: &str) -> Option<u64> {
    let query = ["-i", gpu, "--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    mebibytes(&answer_of(Command::new("nvidia-smi").args(query))?)
}

fn mebibytes(answer: &str) -> Option<u64> {
    answer.trim().parse::<u64>().ok().map(|mebibytes| mebibytes << 20)
}

fn amd_bytes(devices: &Path, address: &str) -> Option<u64> {
    if address.is_empty() {
        return None;
    }
    std::fs::read_to_string(devices.join(address).join("mem_info_vram_total")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_card_is_read_as_its_driver_writes_it() {
        assert_eq!(mebibytes("81559\n"), Some(81_559 << 20));
        assert_eq!(mebibytes("[N/A]\n"), None, "a card that shares the memory of the machine");
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join("0000:03:00.0");
        std::fs::create_dir(&card).unwrap();
        std::fs::write(card.join("mem_info_vram_total"), "17163091968\n").unwrap();
        assert_eq!(amd_bytes(folder.path(), "0000:03:00.0"), Some(17_163_091_968));
        assert_eq!(amd_bytes(folder.path(), "0000:04:00.0"), None);
        assert_eq!(amd_bytes(folder.path(), ""), None);
    }
}
