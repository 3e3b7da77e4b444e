//! The kinds of recurrent cells.

/// A kind of recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Gates i, f, g, o, and a cell state.
    Lstm,
    /// Gates r, z, n.
    Gru,
}

impl CellKind {
    /// PyTorch's name of the module.
    pub(super) fn name(self) -> &'static str {
        match self {
            CellKind::Lstm => "lstm",
            CellKind::Gru => "gru",
        }
    }

    /// Gates in the weights, `hidden` rows each.
    pub fn gates(self) -> usize {
        match self {
            CellKind::Lstm => 4,
            CellKind::Gru => 3,
        }
    }
}
