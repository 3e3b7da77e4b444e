//! How much memory a GPU has, where its driver tells: that of NVIDIA through `nvidia-smi`, that of AMD through the kernel's files.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where the kernel has a folder for each card.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
/// How long a driver may take to answer. One whose card has failed may never answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Memory of the card at this address of the PCI bus, such as `0000:65:00.0`.
pub fn bytes_of_card(address: &str) -> Option<u64> {
    amd_bytes(Path::new(PCI_DEVICES), address).or_else(|| nvidia_bytes(address))
}

/// Memory of a GPU of NVIDIA, by its index or its address of the PCI bus.
pub fn nvidia_bytes(gpu: &str) -> Option<u64> {
    let query = ["-i", gpu, "--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let answer = answer_within(Command::new("nvidia-smi").args(query), ANSWER_LIMIT)?;
    if answer.status.success() { mebibytes(&String::from_utf8_lossy(&answer.stdout)) } else { None }
}

/// What a program says, less than a pipe holds, unless it cannot be started or takes longer than the limit.
fn answer_within(program: &mut Command, limit: Duration) -> Option<Output> {
    let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let started = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if started.elapsed() > limit {
            // It is not waited for: a program that hangs in its driver outlives even this.
            let _ = child.kill();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().ok()
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
    fn a_driver_that_does_not_answer_is_not_waited_for() {
        let started = Instant::now();
        assert!(answer_within(Command::new("sleep").arg("60"), Duration::from_millis(20)).is_none());
        assert!(started.elapsed() < Duration::from_secs(30));
        let answer = answer_within(Command::new("echo").arg("81559"), Duration::from_secs(30)).unwrap();
        assert_eq!(answer.stdout, b"81559\n");
    }

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
