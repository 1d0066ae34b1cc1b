//! What is answered under which address.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;

use axum::extract::{Query, Request, State};
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use itemsaver::export::MAX_COLUMNS;
use itemsaver::history::ChangeJson;
use model::history::HistoryRequest;
use model::search::{Hit, MAX_HITS, QueryMistake, SearchAnswer};
use rpcsupport::PeerAddress;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::download::{self, Format};
use crate::page;
use crate::past;
use crate::source::{Away, Source};
use crate::wanted::{PAGE, Wanted, language};
use crate::words::Language;

/// Nothing runs, nothing is loaded but our style sheet, nothing is sent elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

type Parameters = Query<HashMap<String, String>>;

/// Serves the page until `shutdown`. The itemsaver is dialled when something is asked, so it may come and go.
pub async fn run(listener: TcpListener, itemsaver: PeerAddress, shutdown: impl Future<Output = ()>) {
    let served = axum::serve(listener, router(Source::new(itemsaver)));
    // Pages under way are not waited for: they are asked for again.
    tokio::select! {
        ended = async { served.await } => if let Err(error) = ended { tracing::error!(%error, "cannot serve any longer") },
        () = shutdown => {}
    }
}

fn router(source: Source) -> Router {
    Router::new()
        .route("/", get(async || Redirect::permanent("/search")))
        .route("/search", get(search))
        .route("/item", get(item))
        .route("/item.json", get(item_json))
        .route("/api/search", get(api_search))
        .route("/api/history", get(api_history))
        .route("/download", get(download))
        .route("/style.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))))
        .layer(from_fn(careful))
        .with_state(source)
}

/// Adds what keeps a browser from doing more than showing the page.
async fn careful(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "Accept-Language"),
        (CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn search(State(source): State<Source>, Query(parameters): Parameters, headers: HeaderMap) -> Response {
    let (wanted, language) = (Wanted::of(&parameters), language_of(&headers));
    match source.search(&wanted.request(PAGE)).await {
        Ok(SearchAnswer { mistake: Some(mistake), .. }) => html(StatusCode::BAD_REQUEST, page::mistaken(&wanted.query, &mistake, language)),
        Ok(answer) => html(StatusCode::OK, page::results(&wanted, &answer, language)),
        Err(away) => away_page(&wanted.query, &away, language),
    }
}

async fn item(State(source): State<Source>, Query(parameters): Parameters, headers: HeaderMap) -> Response {
    let language = language_of(&headers);
    match one_item(&source, &parameters).await {
        Ok(Some(hit)) => {
            let past = match source.history(&past_of(&parameters)).await {
                Ok(answer) => past::past(&answer.changes, language),
                // The item can be shown all the same.
                Err(away) => past::unknown(&away.to_string(), language),
            };
            html(StatusCode::OK, page::item(&hit, past, language))
        }
        Ok(None) => html(StatusCode::NOT_FOUND, page::told("", language.words().no_item, "", language)),
        Err(away) => away_page("", &away, language),
    }
}

async fn item_json(State(source): State<Source>, Query(parameters): Parameters) -> Response {
    match one_item(&source, &parameters).await {
        Ok(Some(hit)) => Json(hit_json(&hit)).into_response(),
        Ok(None) => failure(StatusCode::NOT_FOUND, json!({ "message": "no such item" })),
        Err(away) => away_json(&away),
    }
}

async fn api_search(State(source): State<Source>, Query(parameters): Parameters) -> Response {
    let limit = parameters.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE).clamp(1, MAX_HITS);
    match source.search(&Wanted::of(&parameters).request(limit)).await {
        Ok(SearchAnswer { mistake: Some(mistake), .. }) => mistake_json(&mistake),
        Ok(answer) => {
            let types: Value = answer.types.iter().map(|(item_type, count)| json!({ "type": item_type, "count": count })).collect();
            let hits: Value = answer.hits.iter().map(hit_json).collect();
            let next = &answer.next;
            Json(json!({ "count": answer.count, "more": answer.more, "types": types, "behind": answer.behind, "next": next, "hits": hits }))
                .into_response()
        }
        Err(away) => away_json(&away),
    }
}

async fn api_history(State(source): State<Source>, Query(parameters): Parameters) -> Response {
    let asked = past_of(&parameters);
    match source.history(&asked).await {
        Ok(answer) => {
            let changes: Vec<_> = answer.changes.iter().map(|change| ChangeJson::of(&asked.item_type, &asked.id, change)).collect();
            Json(BTreeMap::from([("changes", changes)])).into_response()
        }
        Err(away) => away_json(&away),
    }
}

async fn download(State(source): State<Source>, Query(parameters): Parameters) -> Response {
    let wanted = Wanted::of(&parameters);
    let (format, content_type, name) = match parameters.get("format").map(String::as_str) {
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"items.csv\""),
        Some("jsonl") | None => (Format::Jsonl, "application/x-ndjson", "attachment; filename=\"items.jsonl\""),
        Some(_) => return failure(StatusCode::BAD_REQUEST, json!({ "message": "format is csv or jsonl" })),
    };
    let body = match source.search(&download::first_request(&wanted)).await {
        Ok(SearchAnswer { mistake: Some(mistake), .. }) => return mistake_json(&mistake),
        Ok(first) => download::body(&source, &wanted, first, format).await,
        Err(away) => Err(away),
    };
    match body {
        Ok(Some(body)) => ([(CONTENT_TYPE, content_type), (CONTENT_DISPOSITION, name)], body).into_response(),
        Ok(None) => {
            let message = format!("more than {MAX_COLUMNS} different fields are too many for a table: format=jsonl, or one type at a time");
            failure(StatusCode::BAD_REQUEST, json!({ "message": message }))
        }
        Err(away) => away_json(&away),
    }
}

/// The past of the item with this type and id.
fn past_of(parameters: &HashMap<String, String>) -> HistoryRequest {
    let given = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    HistoryRequest { item_type: given("type"), id: given("id") }
}

/// The item with this type and id.
async fn one_item(source: &Source, parameters: &HashMap<String, String>) -> Result<Option<Hit>, Away> {
    let quoted = |name: &str| {
        let value = parameters.get(name).map_or("", String::as_str);
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let query = format!("Type:{} Id:{}", quoted("type"), quoted("id"));
    let wanted = Wanted { query, from: 0, after: None, sort: None };
    Ok(source.search(&wanted.request(1)).await?.hits.pop())
}

/// An item as exports write it, with what was found in it.
fn hit_json(hit: &Hit) -> Value {
    let payload: Value = serde_json::from_str(hit.item.payload.as_str()).unwrap_or_else(|_| hit.item.payload.as_str().into());
    let source = &hit.source;
    let mut json = json!({
        "url": hit.item.url, "type": hit.item.item_type, "id": hit.item.id, "payload": payload,
        "source": {
            "crawl": source.crawl, "page": source.page, "fetched_at": itemsaver::export::rfc3339(source.fetched_at_ms),
            "version": source.version, "spider": source.spider,
        },
    });
    if !hit.highlights.is_empty() {
        json["highlights"] = json!(hit.highlights);
    }
    json
}

fn language_of(headers: &HeaderMap) -> Language {
    language(headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default())
}

fn html(status: StatusCode, page: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

fn away_page(query: &str, away: &Away, language: Language) -> Response {
    html(StatusCode::SERVICE_UNAVAILABLE, page::told(query, language.words().away, &away.to_string(), language))
}

fn away_json(away: &Away) -> Response {
    failure(StatusCode::SERVICE_UNAVAILABLE, json!({ "message": away.to_string() }))
}

fn mistake_json(mistake: &QueryMistake) -> Response {
    failure(StatusCode::BAD_REQUEST, json!({ "message": mistake.message, "at": mistake.at }))
}

fn failure(status: StatusCode, error: Value) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
