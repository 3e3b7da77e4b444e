//! Numbers that are in the memory of this process, or in a file that several processes have mapped.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::Mmap;

/// Numbers in a row, wherever they are. Changing those of a file copies them into memory first.
#[derive(Clone)]
pub enum Values<T> {
    /// In memory.
    Owned(Vec<T>),
    /// In a file.
    Mapped(MappedValues),
}

/// A range of a mapped file that was found to hold numbers of its type.
#[derive(Clone)]
pub struct MappedValues {
    file: Arc<MappedFile>,
    bytes: Range<usize>,
}

/// A file whose pages are read when they are touched, and that processes share.
pub struct MappedFile(Mmap);

impl MappedFile {
    /// Maps a file that nobody ever changes: those of the cache are written under another name and only ever removed.
    ///
    /// # Errors
    /// A file system that cannot map it.
    #[expect(unsafe_code, reason = "a mapped file must not be changed, which the type system cannot see")]
    pub fn map(file: &File) -> io::Result<Self> {
        // SAFETY: files of the cache are never written to under their final name, so what is mapped does not change. A
        // file that is removed stays mapped until the last process lets go of it.
        unsafe { Mmap::map(file) }.map(Self)
    }

    /// Its content.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The numbers in a range of its bytes; `None` where the file is too short or they do not lie as numbers must.
    pub fn values<T: Pod>(self: &Arc<Self>, bytes: Range<usize>) -> Option<Values<T>> {
        bytemuck::try_cast_slice::<u8, T>(self.bytes().get(bytes.clone())?).ok()?;
        Some(Values::Mapped(MappedValues { file: self.clone(), bytes }))
    }
}

impl<T: Pod> Values<T> {
    /// The numbers in memory, to change them.
    pub fn to_mut(&mut self) -> &mut Vec<T> {
        if let Values::Mapped(_) = self {
            *self = Values::Owned(self.to_vec());
        }
        match self {
            Values::Owned(values) => values,
            Values::Mapped(_) => unreachable!("they were copied"),
        }
    }
}

impl<T: Pod> Deref for Values<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Values::Owned(values) => values,
            Values::Mapped(mapped) => bytemuck::cast_slice(&mapped.file.bytes()[mapped.bytes.clone()]),
        }
    }
}

impl<T> From<Vec<T>> for Values<T> {
    fn from(values: Vec<T>) -> Self {
        Values::Owned(values)
    }
}

impl<T> FromIterator<T> for Values<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Values::Owned(values.into_iter().collect())
    }
}

/// Equal where the numbers are, wherever they lie.
impl<T: Pod + PartialEq> PartialEq for Values<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Values<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}
