//! Writes the synthetic trace as a CSV file of the published six columns.

use std::io::{self, Write};

use super::{SyntheticRow, SyntheticTrace};

const HEADER: &[u8] = b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";
const BUFFER_BYTES: usize = 1 << 16;
/// No row is longer: four numbers of at most ten digits, two names, five commas, and the line feed.
const ROW_MAX_BYTES: usize = 80;

/// Writes the first `rows` rows of the synthetic trace under `seed`, with a header, LF line ends and whole numbers.
///
/// # Errors
/// Passes on the first error of `out`, which is not flushed.
pub fn write_csv(rows: usize, seed: u64, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    buffer.extend_from_slice(HEADER);
    for row in SyntheticTrace::new(rows, seed) {
        if buffer.len() + ROW_MAX_BYTES > BUFFER_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
        push_row(&mut buffer, &row);
    }
    out.write_all(&buffer)
}

fn push_row(buffer: &mut Vec<u8>, row: &SyntheticRow) {
    push_number(buffer, row.timestamp_s);
    buffer.push(b',');
    buffer.extend_from_slice(row.llm.as_str().as_bytes());
    for tokens in [row.request_tokens, row.response_tokens, row.request_tokens + row.response_tokens] {
        buffer.push(b',');
        push_number(buffer, tokens);
    }
    buffer.push(b',');
    buffer.extend_from_slice(row.log_type.as_str().as_bytes());
    buffer.push(b'\n');
}

/// Formats by hand because `write!` would take most of the time of the whole trace.
fn push_number(buffer: &mut Vec<u8>, mut number: u32) {
    let mut digits = [b'0'; 10];
    let mut first = digits.len() - 1;
    loop {
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
        first -= 1;
    }
    buffer.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(rows: usize, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_csv(rows, seed, &mut bytes).unwrap();
        bytes
    }

    fn fnv1a(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for number in [0, 7, 10, 99, 5_269_973, u32::MAX] {
            let mut buffer = Vec::new();
            push_number(&mut buffer, number);
            assert_eq!(buffer, number.to_string().into_bytes());
        }
    }

    #[test]
    fn first_lines_are_pinned() {
        let expected = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                        5,ChatGPT,32,106,138,Conversation log\n\
                        48,ChatGPT,89,68,157,Conversation log\n\
                        115,GPT-4,882,329,1211,Conversation log\n";
        assert_eq!(String::from_utf8(csv(3, 0)).unwrap(), expected);
    }

    #[test]
    fn bytes_of_the_first_fifty_thousand_rows_are_pinned() {
        let bytes = csv(50_000, 0);
        assert_eq!(bytes, csv(50_000, 0));
        assert_eq!(fnv1a(&bytes), 14_431_993_034_699_946_125);
    }

    #[test]
    fn every_line_has_six_fields_and_a_true_total() {
        let text = String::from_utf8(csv(5_000, 3)).unwrap();
        assert!(text.ends_with('\n') && !text.contains('\r'));
        assert_eq!(text.lines().count(), 5_001);
        for line in text.lines().skip(1) {
            assert!(line.len() < ROW_MAX_BYTES);
            let fields: Vec<&str> = line.split(',').collect();
            let numbers = [0, 2, 3, 4].map(|column| fields[column].parse::<u32>().unwrap());
            assert_eq!((fields.len(), numbers[1] + numbers[2]), (6, numbers[3]), "{line}");
        }
    }

    #[test]
    fn no_rows_leave_the_header_alone() {
        assert_eq!(csv(0, 1), HEADER);
    }

    #[test]
    fn an_error_of_the_writer_is_passed_on() {
        let mut full = [0_u8; 100];
        let outcome = write_csv(1_000, 1, &mut full.as_mut_slice());
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
