//! A seeded mutator: bytes, numbers, lines and known words of text files.

/// `SplitMix64` (Steele et al., 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.draw() % bound as u64) as usize }
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Numbers at the edges of types and of sense.
const NUMBERS: [&str; 26] = [
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "100",
    "65536",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999",
    "0.0",
    "-0.0",
    "1e-320",
    "1e308",
    "-1e308",
    "1e999",
    "0.5",
    "0.999999",
    "1.0000001",
    "nan",
    "inf",
    "-inf",
    "0x7fffffffffffffff",
];

const BYTES: &[u8] = b",\"'\n\r \t-+.=[]{}#eE0123456789:TZ_\\\0\x01\x7f\xc3\xff\xef\xbb\xbf";

/// One to four changes to a text, mostly few. `others` are texts to take lines from, `words` what may be put in.
pub fn mutate(seed: &[u8], others: &[&[u8]], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let most = 1 + dice.below(4);
    for _ in 0..=dice.below(most) {
        change(&mut bytes, others, words, dice);
    }
    bytes
}

/// One to four changes to a binary file: single bytes and bits, and numbers of several bytes that end where they please. Half of
/// them fall into its last third, where Parquet has its footer.
pub fn mutate_bytes(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    const HUGE: [&[u8]; 5] = [
        &[0xff, 0xff, 0xff, 0xff, 0x07],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xfc, 0xff, 0xff, 0xff, 0xff, 0x07],
        &[0xff; 9],
        &[0x80, 0x80, 0x01],
    ];
    let mut bytes = seed.to_vec();
    let most = 1 + dice.below(4);
    for _ in 0..=dice.below(most) {
        let third = bytes.len() / 3;
        let at = if dice.below(2) == 0 { dice.below(bytes.len()) } else { 2 * third + dice.below(third) };
        match dice.below(8) {
            0 | 1 => bytes[at] = dice.below(256) as u8,
            2 => bytes[at] ^= 1 << dice.below(8),
            3 => bytes[at] = *dice.pick(&[0x00, 0x01, 0x7f, 0x80, 0xff, 0xfc, 0xf9, 0x19]),
            4 => {
                let huge: &[u8] = dice.pick::<&[u8]>(&HUGE);
                let end = (at + huge.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&huge[..end - at]);
            }
            5 => replace(&mut bytes, at..at, dice.pick::<&[u8]>(&HUGE)),
            6 => {
                let end = (at + 1 + dice.below(16)).min(bytes.len());
                replace(&mut bytes, at..end, b"");
            }
            _ => {
                let end = (at + 1 + dice.below(40)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                replace(&mut bytes, at..at, &again);
            }
        }
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[&[u8]], words: &[&str], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    match dice.below(20) {
        0 => replace(bytes, at..(at + 1).min(bytes.len()), &[*dice.pick(BYTES)]),
        1 => replace(bytes, at..at, &[*dice.pick(BYTES)]),
        2 => {
            let end = (at + dice.below(40)).min(bytes.len());
            replace(bytes, at..end, b"");
        }
        3 => {
            let end = (at + dice.below(200)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            replace(bytes, at..at, &again);
        }
        4 => bytes.truncate(at),
        5 => {
            let word = *dice.pick(words);
            replace(bytes, at..at, word.as_bytes());
        }
        6..=12 => {
            let numbers = runs_of(bytes, |byte| byte.is_ascii_digit() || b".-+eE_".contains(&byte));
            if !numbers.is_empty() {
                let place = dice.pick(&numbers).clone();
                replace(bytes, place, dice.pick(&NUMBERS).as_bytes());
            }
        }
        13 | 14 => {
            let names = runs_of(bytes, |byte| byte.is_ascii_alphabetic() || byte == b'_');
            if !names.is_empty() {
                let place = dice.pick(&names).clone();
                replace(bytes, place, dice.pick(words).as_bytes());
            }
        }
        15 => {
            let lines = lines_of(bytes);
            replace(bytes, dice.pick(&lines).clone(), b"");
        }
        16 => {
            let lines = lines_of(bytes);
            let line = bytes[dice.pick(&lines).clone()].to_vec();
            let start = dice.pick(&lines).start;
            replace(bytes, start..start, &line);
        }
        _ => {
            let other = *dice.pick(others);
            let line = other[dice.pick(&lines_of(other)).clone()].to_vec();
            let start = dice.pick(&lines_of(bytes)).start;
            replace(bytes, start..start, &line);
        }
    }
}

fn replace(bytes: &mut Vec<u8>, place: std::ops::Range<usize>, with: &[u8]) {
    bytes.splice(place, with.iter().copied());
}

fn runs_of(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..bytes.len()).filter(|&at| belongs(bytes[at])) {
        match runs.last_mut().filter(|run| run.end == at) {
            Some(run) => run.end = at + 1,
            None => runs.push(at..at + 1),
        }
    }
    runs
}

/// Lines with their ends; at least one.
fn lines_of(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let mut lines: Vec<std::ops::Range<usize>> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        })
        .collect();
    if lines.is_empty() {
        lines.push(0..0);
    }
    lines
}
