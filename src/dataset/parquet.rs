//! A trace in a Parquet file: what it says of its own size is checked, then polars decodes it column by column, and every
//! value is checked as in a text file.

use std::cell::Cell;
use std::io::Cursor;
use std::sync::Once;

use polars_arrow::array::PrimitiveArray;
use polars_core::prelude::{
    ArrayRef, ArrowDataType, ArrowField, ArrowSchema, ArrowTimeUnit, CompatLevel, DataFrame, DataType,
    PolarsResult, SchemaExt, Series,
};
use polars_parquet::parquet::page::CompressedPage;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, PageReader, column_iter_to_arrays, infer_schema,
    read_metadata,
};
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, StatisticsOptions, Version, WriteOptions, row_group_iter,
};
use rayon::prelude::*;

use super::clock::since_1970;
use super::columns::{Column, TraceTable};
use super::locate::{Expect, shortened};
use super::parquet_footer::check_footer;
use super::trace::TraceError;
use super::zone::Zone;
use crate::system::memory::available_bytes;

/// No codec packs values more tightly than this; a page that claims to hold more is damaged.
const GREATEST_COMPRESSION: usize = 50_000;
/// Bytes that a page may hold however short it is.
const SHORT_PAGE: usize = 1 << 20;

/// A Parquet file whose footer is sound.
pub struct ParquetFile<'a> {
    name: &'a str,
    bytes: &'a [u8],
    metadata: FileMetadata,
    schema: ArrowSchema,
    /// The names of the columns.
    pub columns: Vec<String>,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Numbers,
    Text,
    /// Times of the clock, in ticks of so many nanoseconds since 1970.
    Clock(i64),
    Other,
}

impl Kind {
    fn of(dtype: &ArrowDataType) -> Self {
        use ArrowDataType as T;
        const SECOND: i64 = 1_000_000_000;
        match dtype {
            T::Int8
            | T::Int16
            | T::Int32
            | T::Int64
            | T::UInt8
            | T::UInt16
            | T::UInt32
            | T::UInt64
            | T::Float32
            | T::Float64 => Kind::Numbers,
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Kind::Text,
            T::Timestamp(ArrowTimeUnit::Second, _) => Kind::Clock(SECOND),
            T::Timestamp(ArrowTimeUnit::Millisecond, _) | T::Date64 => Kind::Clock(1_000_000),
            T::Timestamp(ArrowTimeUnit::Microsecond, _) => Kind::Clock(1_000),
            T::Timestamp(ArrowTimeUnit::Nanosecond, _) => Kind::Clock(1),
            T::Date32 => Kind::Clock(86_400 * SECOND),
            _ => Kind::Other,
        }
    }

    /// Whether such values can be what is expected.
    fn suits(self, expect: Expect) -> bool {
        match expect {
            Expect::Name => self == Kind::Text,
            Expect::DateTime(_) => matches!(self, Kind::Text | Kind::Clock(_)),
            Expect::Number | Expect::Stamp(_) | Expect::Epoch(_) | Expect::Count => self == Kind::Numbers,
        }
    }
}

impl<'a> ParquetFile<'a> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// A file that is damaged or was cut.
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Result<Self, TraceError> {
        let footer = guarded(|| {
            check_footer(bytes)?;
            let metadata = read_metadata(&mut Cursor::new(bytes)).map_err(|error| error.to_string())?;
            let schema = infer_schema(&metadata).map_err(|error| error.to_string())?;
            Ok((metadata, schema))
        });
        let (metadata, schema) = footer.map_err(|message| {
            let file = name.to_string();
            TraceError { file, line: None, column: None, message: damaged(&message) }
        })?;
        let columns = schema.iter_names().map(ToString::to_string).collect();
        Ok(Self { name, bytes, metadata, schema, columns })
    }

    /// The values of the wanted columns, given by their positions.
    ///
    /// # Errors
    /// A file that is damaged, or the first row whose value is missing or not what is expected.
    pub fn read(&self, wanted: &[(usize, Expect)]) -> Result<TraceTable, TraceError> {
        self.require_memory(wanted.len())?;
        let mut columns = Vec::with_capacity(wanted.len());
        for &(at, expect) in wanted {
            columns.push(self.column(at, expect)?);
        }
        let table = TraceTable::of(columns);
        if table.is_empty() {
            return Err(self.whole("there is no row"));
        }
        Ok(table)
    }

    /// A few bytes can stand for any number of equal values: refuses rows that no memory would hold.
    fn require_memory(&self, columns: usize) -> Result<(), TraceError> {
        let rows = self
            .metadata
            .row_groups
            .iter()
            .fold(0_usize, |rows, group| rows.saturating_add(group.num_rows()));
        let needed = rows.saturating_mul(columns).saturating_mul(size_of::<f64>()) as u64;
        match available_bytes() {
            Some(available) if needed > available => Err(self.whole(&damaged(&format!(
                "its {rows} rows would take {} GiB of memory, more than there is",
                needed >> 30
            )))),
            _ => Ok(()),
        }
    }

    /// Whether there is a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        self.schema.index_of(name).is_some()
    }

    /// The values of a column by its name, as they are stored; what is missing is null.
    ///
    /// # Errors
    /// A column that is not there, or pages that are damaged.
    pub fn series(&self, name: &str) -> Result<Series, TraceError> {
        let Some((at, _, field)) = self.schema.get_full(name) else {
            return Err(self.whole(&format!("there is no column `{name}`")));
        };
        let field = &plain(field);
        let series = guarded(|| {
            let chunks = self.decode(field)?;
            Series::try_from((field, chunks)).map_err(|error| error.to_string())
        });
        series.map_err(|message| self.in_column(at, &damaged(&message)))
    }

    /// The numbers of a column, NaN where one is missing.
    ///
    /// # Errors
    /// As [`Self::series`], and a column of another type.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, TraceError> {
        let series = self.series(name)?;
        let in_column = |message: &str| {
            let column = Some(name.to_string());
            TraceError { column, ..self.whole(message) }
        };
        if !series.dtype().is_primitive_numeric() {
            return Err(in_column(&format!("numbers are expected, not values of type {}", series.dtype())));
        }
        let numbers = guarded(|| {
            let numbers = series.cast(&DataType::Float64).map_err(|error| error.to_string())?;
            let numbers = numbers.f64().map_err(|error| error.to_string())?;
            Ok(numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect())
        });
        numbers.map_err(|message| in_column(&damaged(&message)))
    }

    fn column(&self, at: usize, expect: Expect) -> Result<Column, TraceError> {
        let Some((_, field)) = self.schema.get_at_index(at) else {
            return Err(self.whole(&damaged("a column is missing")));
        };
        let field = &plain(field);
        let kind = Kind::of(&field.dtype);
        if !kind.suits(expect) {
            let wanted = match (expect, kind) {
                (Expect::Stamp(_) | Expect::Epoch(_), Kind::Clock(_)) => {
                    "numbers are expected, or set timestamp_unit = \"datetime\" in [dataset.columns]"
                }
                (Expect::Name, _) => "text is expected",
                (Expect::DateTime(_), _) => "dates are expected",
                _ => "numbers are expected",
            };
            let found = type_name(&field.dtype);
            return Err(self.in_column(at, &format!("the column holds values of type {found}; {wanted}")));
        }
        let decoded = guarded(|| self.decode(field));
        let chunks = decoded.map_err(|message| self.in_column(at, &damaged(&message)))?;
        if let Kind::Clock(tick_ns) = kind {
            let zone = if let Expect::DateTime(zone) = expect { zone } else { Zone::UTC };
            return self.clock_times((at, &field.dtype), tick_ns, zone, &chunks);
        }
        let wanted = if kind == Kind::Text { DataType::String } else { DataType::Float64 };
        let values = guarded(|| {
            let values = Series::try_from((field, chunks)).map_err(|error| error.to_string())?;
            values.cast(&wanted).map_err(|error| error.to_string())
        });
        let values = values.map_err(|message| self.in_column(at, &damaged(&message)))?;
        let mut column = Column::new(expect);
        let appended = column.append(&values);
        if appended.map_err(|error| self.in_column(at, &damaged(&error.to_string())))? {
            return Ok(column);
        }
        // Values are taken up in their order, so the bad one is the next.
        let row = column.len();
        let text = values.get(row).ok().filter(|value| !value.is_null());
        let text = text.map(|value| value.str_value().to_string()).unwrap_or_default();
        Err(self.at_row(row, at, &expect.complaint(&text)))
    }

    /// A column of a timestamp or date type.
    fn clock_times(
        &self,
        (at, dtype): (usize, &ArrowDataType),
        tick_ns: i64,
        zone: Zone,
        chunks: &[ArrayRef],
    ) -> Result<Column, TraceError> {
        // A column with a zone holds instants, one without holds what the clocks showed.
        let local = match dtype {
            ArrowDataType::Timestamp(_, Some(own)) if is_utc(own) || own.as_str() == zone.name() => Zone::UTC,
            ArrowDataType::Timestamp(_, Some(own)) => {
                let own = shortened(own);
                return Err(self.in_column(
                    at,
                    &format!(
                        "the times belong to the time zone {own}; set time_zone = \"{own}\" in [dataset.columns], or convert \
                         them to UTC or to clock times without a zone"
                    ),
                ));
            }
            _ => zone,
        };
        let mut stamps = Vec::with_capacity(self.metadata.num_rows.min(self.bytes.len()));
        let mut take = |ticks: Option<i64>| {
            let row = stamps.len();
            let Some(ticks) = ticks else {
                return Err(self.at_row(row, at, &Expect::DateTime(zone).complaint("")));
            };
            let shown = since_1970(ticks, tick_ns)
                .ok_or_else(|| self.at_row(row, at, "the date lies before the year 1900 or after 2199"))?;
            stamps.push(local.instant_of(shown).ok_or_else(|| {
                let message = format!("the clocks of {} were set forward over this time", zone.name());
                self.at_row(row, at, &message)
            })?);
            Ok(())
        };
        for chunk in chunks {
            let chunk = chunk.as_any();
            if let Some(ticks) = chunk.downcast_ref::<PrimitiveArray<i64>>() {
                ticks.iter().try_for_each(|ticks| take(ticks.copied()))?;
            } else if let Some(days) = chunk.downcast_ref::<PrimitiveArray<i32>>() {
                days.iter().try_for_each(|days| take(days.map(|&days| i64::from(days))))?;
            } else {
                return Err(self.in_column(at, &damaged("its times are no numbers")));
            }
        }
        Ok(Column::DateTimes(local, stamps))
    }

    /// The values of a column, in one or more pieces for each row group.
    fn decode(&self, field: &ArrowField) -> Result<Vec<ArrayRef>, String> {
        let groups = self.metadata.row_groups.par_iter().map(|group| {
            let mut chunks = group.columns_under_root_iter(&field.name).ok_or("a column is missing")?;
            let (Some(chunk), None) = (chunks.next(), chunks.next()) else {
                return Err("the column is nested".to_string());
            };
            guarded(|| self.decode_chunk(chunk, group.num_rows(), field))
        });
        let groups: Vec<Vec<ArrayRef>> = groups.collect::<Result<_, String>>()?;
        Ok(groups.into_iter().flatten().collect())
    }

    /// Decodes the values of a column in one row group, after its pages have been counted: polars makes room for as many
    /// values as the footer names, and follows the pages' headers wherever they lead.
    fn decode_chunk(
        &self,
        chunk: &ColumnChunkMetadata,
        rows: usize,
        field: &ArrowField,
    ) -> Result<Vec<ArrayRef>, String> {
        let place = chunk.byte_range();
        let place = usize::try_from(place.start).ok().zip(usize::try_from(place.end).ok());
        let bytes = place.and_then(|(start, end)| self.bytes.get(start..end));
        let bytes = bytes.ok_or("a column lies outside of the file")?;
        let buffer = bytes.to_vec().into();
        let pages = || PageReader::new(Cursor::new(Clone::clone(&buffer)), chunk, Vec::new(), bytes.len());
        let mut values = 0_usize;
        for page in pages() {
            let CompressedPage::Data(page) = page.map_err(|error| error.to_string())? else { continue };
            let most = page.compressed_size().saturating_mul(GREATEST_COMPRESSION).max(SHORT_PAGE);
            if page.uncompressed_size() > most {
                return Err("a page claims to hold more than its bytes can".to_string());
            }
            if page.null_count().is_some_and(|nulls| nulls > page.num_values()) {
                return Err("a page claims to miss more values than it has".to_string());
            }
            values = values.saturating_add(page.num_values());
        }
        if values != rows || usize::try_from(chunk.num_values()) != Ok(rows) {
            return Err(format!("the pages of a row group hold {values} values, but it has {rows} rows"));
        }
        let types = vec![&chunk.descriptor().descriptor.primitive_type];
        let pages = BasicDecompressor::new(pages(), Vec::new());
        let decoded = column_iter_to_arrays(vec![pages], types, field.clone(), None);
        let (arrays, _) = decoded.map_err(|error| error.to_string())?;
        let decoded: usize = arrays.iter().map(|array| array.len()).sum();
        if decoded != rows {
            return Err(format!("a row group holds {decoded} values, but has {rows} rows"));
        }
        Ok(arrays)
    }

    /// An error about the file as a whole.
    pub fn whole(&self, message: &str) -> TraceError {
        TraceError { file: self.name.to_string(), line: None, column: None, message: message.to_string() }
    }

    /// An error about a row, counted from 0 here and from 1 in the message.
    pub fn at_row(&self, row: usize, column: usize, message: &str) -> TraceError {
        self.in_column(column, &format!("row {}: {message}", row + 1))
    }

    fn in_column(&self, column: usize, message: &str) -> TraceError {
        TraceError { column: self.columns.get(column).cloned(), ..self.whole(message) }
    }
}

/// A frame as a Parquet file, its numbers as they are. polars' own writer would first estimate how many different values each
/// column has, which takes longer than all the rest of writing a small file.
///
/// # Errors
/// Columns that polars refuses, which would be a mistake in this program.
pub fn write_parquet(frame: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    frame.rechunk_mut();
    let options = WriteOptions {
        statistics: StatisticsOptions::empty(),
        compression: CompressionOptions::Zstd(None),
        version: Version::V1,
        data_page_size: None,
    };
    let encodings = frame.columns().iter().map(|column| {
        let few = matches!(column.dtype(), DataType::String | DataType::UInt32);
        vec![if few { Encoding::RleDictionary } else { Encoding::Plain }]
    });
    let encodings: Vec<_> = encodings.collect();
    let schema = frame.schema().to_arrow(CompatLevel::newest());
    let mut bytes = Vec::new();
    let mut writer = FileWriter::try_new(&mut bytes, schema, options)?;
    for rows in frame.iter_chunks(CompatLevel::newest(), false) {
        let fields = writer.parquet_schema().fields().to_vec();
        let count = rows.len() as u64;
        writer.write(count, row_group_iter(rows, encodings.iter().cloned().collect(), fields, options))?;
    }
    writer.end(None)?;
    Ok(bytes)
}

/// A column of text whose writer lists the distinct values, as pandas does for categories, is one of text.
fn plain(field: &ArrowField) -> ArrowField {
    match &field.dtype {
        ArrowDataType::Dictionary(_, values, _) if Kind::of(values) == Kind::Text => {
            ArrowField::new(field.name.clone(), ArrowDataType::Utf8View, field.is_nullable)
        }
        _ => field.clone(),
    }
}

/// The name of a type, for people.
fn type_name(dtype: &ArrowDataType) -> String {
    match (Kind::of(dtype), dtype) {
        (Kind::Numbers | Kind::Text, _) => DataType::from_arrow_dtype(dtype).to_string(),
        (Kind::Clock(_), ArrowDataType::Date32 | ArrowDataType::Date64) => "date".to_string(),
        (Kind::Clock(_), _) => "datetime".to_string(),
        (Kind::Other, ArrowDataType::Boolean) => "bool".to_string(),
        (Kind::Other, _) => shortened(&format!("{dtype:?}")),
    }
}

/// Whether a time zone is UTC under one of its names.
fn is_utc(zone: &str) -> bool {
    ["", "UTC", "Etc/UTC", "Z", "Zulu", "GMT", "Etc/GMT", "+00:00", "-00:00"]
        .iter()
        .any(|name| zone.eq_ignore_ascii_case(name))
}

fn damaged(message: &str) -> String {
    format!("this Parquet file cannot be read: {}", shortened(message))
}

thread_local! {
    /// Whether a panic on this thread is expected, and becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Polars panics on some damaged files where it should return an error. Nobody is helped by its stack trace.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                others(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    GUARDED.set(before);
    read.unwrap_or_else(|_| Err("it is damaged".to_string()))
}
