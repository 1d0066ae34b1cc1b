//! The rows that are collected before they are written together, a column after the other.

use std::io::Write;
use std::mem::{size_of, size_of_val, take};

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::kind::{ColumnKind, Value};

/// When a row group is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupBounds {
    /// Bytes that its values take in memory, of which one row may be beyond.
    pub(super) bytes: usize,
    /// Rows.
    pub(super) rows: u32,
}

/// The rows of the next row group.
#[derive(Debug)]
pub(super) struct RowGroup {
    bounds: GroupBounds,
    columns: Vec<Column>,
    rows: u32,
    bytes: usize,
}

/// A column's values and the rows they are of. A row without a value costs nothing, so that wide tables of unlike items stay small.
#[derive(Debug)]
struct Column {
    rows: Vec<u32>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
    TextList { lengths: Vec<usize>, texts: Vec<ByteArray> },
}

impl RowGroup {
    /// An empty group with these columns.
    pub(super) fn new(bounds: GroupBounds, kinds: &[ColumnKind]) -> RowGroup {
        let columns = kinds.iter().map(|kind| Column { rows: Vec::new(), values: Values::new(*kind) }).collect();
        RowGroup { bounds, columns, rows: 0, bytes: 0 }
    }

    /// Adds a value to the row that is being made. A column takes values of its kind, one a row.
    pub(super) fn put(&mut self, column: usize, value: Value) {
        let column = &mut self.columns[column];
        self.bytes += size_of_val(&self.rows) + column.values.push(value);
        column.rows.push(self.rows);
    }

    /// Ends the row that is being made. Answers true when the group is full.
    pub(super) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.rows >= self.bounds.rows || self.bytes >= self.bounds.bytes
    }

    /// Writes the group, if it has rows, and begins the next one.
    pub(super) fn write<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let rows = take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group.next_column()?.expect("the schema was made of these columns");
            column.write(&mut writer, rows)?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }
}

impl Column {
    /// Writes the values and lets go of them.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>, n_rows: u32) -> Result<()> {
        let rows = take(&mut self.rows);
        match &mut self.values {
            Values::Text(values) => write::<ByteArrayType>(writer, &take(values), &present(&rows, n_rows)),
            Values::Integer(values) => write::<Int64Type>(writer, &take(values), &present(&rows, n_rows)),
            Values::Float(values) => write::<DoubleType>(writer, &take(values), &present(&rows, n_rows)),
            Values::Bool(values) => write::<BoolType>(writer, &take(values), &present(&rows, n_rows)),
            Values::TextList { lengths, texts } => {
                let (definitions, repetitions) = levels(&rows, &take(lengths), n_rows);
                writer.typed::<ByteArrayType>().write_batch(&take(texts), Some(&definitions), Some(&repetitions))?;
                Ok(())
            }
        }
    }
}

/// Writes a column without lists. One that every row must have has no levels in the file.
fn write<T: DataType>(writer: &mut SerializedColumnWriter<'_>, values: &[T::T], levels: &[i16]) -> Result<()> {
    let writer = writer.typed::<T>();
    let levels = (writer.get_descriptor().max_def_level() > 0).then_some(levels);
    writer.write_batch(values, levels, None)?;
    Ok(())
}

/// For each row whether it has a value: 1 or 0.
fn present(rows: &[u32], n_rows: u32) -> Vec<i16> {
    let mut levels = vec![0; n_rows as usize];
    for row in rows {
        levels[*row as usize] = 1;
    }
    levels
}

/// Definition and repetition levels of lists: 0 no list, 1 an empty list, 2 a text; 0 begins a row, 1 goes on with its list.
fn levels(rows: &[u32], lengths: &[usize], n_rows: u32) -> (Vec<i16>, Vec<i16>) {
    let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
    let mut lists = rows.iter().zip(lengths).peekable();
    for row in 0..n_rows {
        match lists.next_if(|(of, _)| **of == row) {
            None => definitions.push(0),
            Some((_, 0)) => definitions.push(1),
            Some((_, length)) => definitions.resize(definitions.len() + length, 2),
        }
        repetitions.push(0);
        repetitions.resize(definitions.len(), 1);
    }
    (definitions, repetitions)
}

impl Values {
    fn new(kind: ColumnKind) -> Values {
        match kind {
            ColumnKind::Text => Values::Text(Vec::new()),
            ColumnKind::Integer => Values::Integer(Vec::new()),
            ColumnKind::Float => Values::Float(Vec::new()),
            ColumnKind::Bool => Values::Bool(Vec::new()),
            ColumnKind::TextList => Values::TextList { lengths: Vec::new(), texts: Vec::new() },
        }
    }

    /// Adds a value and answers how many bytes it takes.
    fn push(&mut self, value: Value) -> usize {
        let text_bytes = |text: &String| size_of::<ByteArray>() + text.len();
        match (self, value) {
            (Values::Text(values), Value::Text(value)) => {
                let bytes = text_bytes(&value);
                values.push(value.into_bytes().into());
                bytes
            }
            (Values::Integer(values), Value::Integer(value)) => {
                values.push(value);
                size_of_val(&value)
            }
            (Values::Float(values), Value::Float(value)) => {
                values.push(value);
                size_of_val(&value)
            }
            (Values::Bool(values), Value::Bool(value)) => {
                values.push(value);
                size_of_val(&value)
            }
            (Values::TextList { lengths, texts }, Value::TextList(value)) => {
                let bytes = size_of_val(&value.len()) + value.iter().map(text_bytes).sum::<usize>();
                lengths.push(value.len());
                texts.extend(value.into_iter().map(|text| ByteArray::from(text.into_bytes())));
                bytes
            }
            (values, value) => unreachable!("{value:?} was read for another column than {values:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_say_which_rows_have_a_list_and_where_each_begins() {
        assert_eq!(levels(&[1, 2, 4], &[2, 0, 1], 6), (vec![0, 2, 2, 1, 0, 2, 0], vec![0, 0, 1, 0, 0, 0, 0]));
        assert_eq!(present(&[0, 2], 4), [1, 0, 1, 0]);
    }

    #[test]
    fn a_group_is_full_by_bytes_or_by_rows() {
        let full_after = |bounds, value: Value, kind| {
            let mut group = RowGroup::new(bounds, &[kind]);
            (1..).find(|_| {
                group.put(0, value.clone());
                group.end_row()
            })
        };
        let text = Value::Text("x".repeat(1000));
        let bytes = 4 + size_of::<ByteArray>() + 1000;
        assert_eq!(full_after(GroupBounds { bytes: 3 * bytes, rows: 100 }, text.clone(), ColumnKind::Text), Some(3));
        assert_eq!(full_after(GroupBounds { bytes: 3 * bytes + 1, rows: 100 }, text.clone(), ColumnKind::Text), Some(4));
        assert_eq!(full_after(GroupBounds { bytes: 1 << 20, rows: 100 }, text, ColumnKind::Text), Some(100));
        let many = Value::TextList(vec![String::new(); 1000]);
        assert_eq!(full_after(GroupBounds { bytes: 1 << 20, rows: 100 }, many, ColumnKind::TextList).map(|rows| rows < 40), Some(true));
    }
}
