//! A whole result as a file, read piece by piece while it is sent: memory does not grow with it.

use axum::body::{Body, Bytes};
use futures::Stream;
use futures::stream::try_unfold;
use itemsaver::export::{CsvColumns, Header, ItemWriter, MAX_COLUMNS};
use model::search::{Hit, SearchAnswer, SearchRequest};

use crate::source::{Away, Source};
use crate::wanted::Wanted;

/// Hits asked for at a time.
const PIECE: u32 = 500;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jsonl,
    Csv,
}

/// Hit after hit of a result, as they are asked for.
struct Pieces {
    source: Source,
    /// `None` at the end.
    request: Option<SearchRequest>,
    format: Format,
    columns: CsvColumns,
    header: Header,
}

/// The whole result; none when it has more different fields than a table may have columns. For a table it is read twice, the first time for
/// the columns.
pub(crate) async fn body(source: &Source, wanted: &Wanted, first: SearchAnswer, format: Format) -> Result<Option<Body>, Away> {
    let request = SearchRequest { from: 0, after: None, ..wanted.request(PIECE) };
    let mut columns = CsvColumns::complete(&[]);
    if format == Format::Csv {
        let mut answer = first;
        loop {
            answer.hits.iter().for_each(|hit| columns.find(&hit.item.payload));
            if columns.len() > MAX_COLUMNS {
                return Ok(None);
            }
            let Some(after) = answer.next else { break };
            answer = source.search(&SearchRequest { after: Some(after), ..request.clone() }).await?;
        }
    }
    let pieces = Pieces { source: source.clone(), request: Some(request), format, columns, header: Header::Write };
    Ok(Some(Body::from_stream(stream(pieces))))
}

/// The first request of a download, whose mistake or trouble is still told with a status.
pub(crate) fn first_request(wanted: &Wanted) -> SearchRequest {
    SearchRequest { from: 0, after: None, ..wanted.request(PIECE) }
}

fn stream(pieces: Pieces) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    try_unfold(pieces, |mut pieces| async move {
        let Some(request) = pieces.request.take() else { return Ok(None) };
        let answer = pieces.source.search(&request).await.map_err(std::io::Error::other)?;
        let bytes = pieces.write(&answer.hits)?;
        pieces.request = answer.next.map(|after| SearchRequest { after: Some(after), ..request });
        Ok(Some((bytes, pieces)))
    })
}

impl Pieces {
    fn write(&mut self, hits: &[Hit]) -> std::io::Result<Bytes> {
        let mut bytes = Vec::new();
        let header = std::mem::replace(&mut self.header, Header::AlreadyThere);
        let mut writer = match self.format {
            Format::Jsonl => ItemWriter::jsonl(&mut bytes),
            Format::Csv => ItemWriter::csv(&mut bytes, self.columns.clone(), header)?,
        };
        hits.iter().try_for_each(|hit| writer.write(&hit.item, &hit.source))?;
        Ok(bytes.into())
    }
}
