//! A fixed piece of work for the compiler, which tells `measure-build.sh` how fast a processor compiles. It is never part
//! of the program. Every module has types of its own, so that all its generic code is compiled anew.

macro_rules! modules {
    ($($name:ident)*) => {$(
        pub mod $name {
            use std::collections::{BTreeMap, HashMap};

            #[derive(Debug, Clone, Default, PartialEq, PartialOrd)]
            pub struct Item {
                pub key: String,
                pub values: Vec<f64>,
                pub counts: [u32; 4],
                pub next: Option<Box<Item>>,
            }

            pub fn parse(text: &str) -> Result<Vec<Item>, std::num::ParseFloatError> {
                let line = |line: &str| {
                    let (key, values) = line.split_once(':').unwrap_or((line, ""));
                    let values = values.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
                    let counts = [values.len() as u32, key.len() as u32, line.len() as u32, 0];
                    Ok(Item { key: key.to_string(), values, counts, next: None })
                };
                text.lines().filter(|line| !line.is_empty()).map(line).collect()
            }

            pub fn sorted(mut items: Vec<Item>) -> Vec<Item> {
                items.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| b.values.len().cmp(&a.values.len())));
                items.dedup_by(|a, b| a.key == b.key && a.counts == b.counts);
                items.retain(|item| item.values.iter().all(|value| value.is_finite()));
                items
            }

            pub fn grouped(items: &[Item]) -> BTreeMap<usize, Vec<Item>> {
                let mut groups: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
                for item in items {
                    groups.entry(item.values.len()).or_default().push(item.clone());
                }
                groups
            }

            pub fn indexed(items: Vec<Item>) -> HashMap<String, Item> {
                items.into_iter().map(|item| (item.key.clone(), item)).collect()
            }

            pub fn product(a: &[f32], b: &[f32], out: &mut [f32], width: usize) {
                for (row, out) in a.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                    for (column, out) in out.iter_mut().enumerate() {
                        *out = row.iter().zip(b.iter().skip(column).step_by(width)).map(|(a, b)| a * b).sum();
                    }
                }
            }

            pub fn describe(items: &HashMap<String, Item>) -> String {
                let mut lines: Vec<String> =
                    items.iter().map(|(key, item)| format!("{key:>12} {:.3?} {item:?}", item.values)).collect();
                lines.sort_unstable();
                lines.join("\n")
            }

            pub fn all(text: &str) -> Result<String, std::num::ParseFloatError> {
                let groups = grouped(&sorted(parse(text)?));
                Ok(groups.into_values().map(|items| describe(&indexed(items))).collect())
            }
        }
    )*};
}

modules! {
    a0 a1 a2 a3 a4 a5 a6 a7 b0 b1 b2 b3 b4 b5 b6 b7
}
