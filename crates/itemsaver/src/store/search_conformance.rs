//! What every store must find: one suite of queries, part of [`super::conformance`].

use model::schema::{FieldKind, FieldSchema, TypeSchema};
use model::search::{COUNTED, SearchAnswer, SearchRequest};
use model::{Item, PayloadJson};

use super::conformance::{Place, all, batch, item, page, save};
use super::{ItemFilter, Store};
use crate::search::parse::MAX_DEPTH;
use crate::search::{ItemQuery, answer};

/// People and cars, from the first found to the last.
fn items() -> Vec<Item> {
    let person = |id: &str, payload: &str| item("zhenai", id, payload);
    let car = |id: &str, payload: &str| item("car", id, payload);
    vec![
        person(
            "1",
            r#"{"Name":"安静的雪","Gender":"女","Age":24,"Height":162,"House":"已购房","Occupation":"人事/行政","home":{"city":"杭州"}}"#,
        ),
        person("2", r#"{"Name":"John Smith","Gender":"男","Age":30,"Height":178,"House":"租房","Occupation":"Senior Software Engineer"}"#),
        person("3", r#"{"Name":"Anna","Gender":"女","Age":35,"Height":185.5,"House":"已购房","Occupation":"software tester, engineer"}"#),
        person("4", r#"{"Name":"已","Gender":"男","Age":"30","Height":-1,"tags":["red wine","blue"],"Type":"shy"}"#),
        car("m1", r#"{"Name":"Audi A4","MaxSpeed":240.5,"Price":30,"Age":2,"Sizes":[1,50]}"#),
        car("m2", r#"{"Name":"奥迪 A6L","MaxSpeed":250,"Price":41.28,"no":null,"electric":true}"#),
        car("m3", r#"{"Name":"<script>alert('x')</script> \"quoted\"","Price":0,"e-mail":"me@example.org"}"#),
    ]
}

fn schemas() -> Vec<TypeSchema> {
    let schema = |item_type: &str, fields: &[(&str, FieldKind)]| TypeSchema {
        item_type: item_type.to_owned(),
        fields: fields.iter().map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind: *kind }).collect(),
    };
    vec![
        schema("zhenai", &[("Name", FieldKind::Text), ("Age", FieldKind::Integer), ("Height", FieldKind::Float)]),
        schema("car", &[("Name", FieldKind::Text), ("MaxSpeed", FieldKind::Float), ("Price", FieldKind::Float)]),
    ]
}

async fn filled<P: Place>(place: &P) -> P::Store {
    let store = place.open().await;
    store.put_schema(schemas()).await.unwrap();
    let (people, cars) = (items(), items());
    save(&store, batch("c", 1, &[page("people", 1, &people[..4])])).await;
    save(&store, batch("d", 1, &[page("cars", 2, &cars[4..])])).await;
    store
}

fn request(query: &str) -> SearchRequest {
    SearchRequest { query: query.to_owned(), limit: 1000, ..SearchRequest::default() }
}

/// The answer once all that was saved can be found.
async fn asked(store: &impl Store, request: &SearchRequest) -> SearchAnswer {
    loop {
        let answer = answer(store, request).await.unwrap();
        if answer.behind == 0 {
            return answer;
        }
    }
}

fn ids(answer: &SearchAnswer) -> String {
    answer.hits.iter().map(|hit| hit.item.id.as_str()).collect::<Vec<_>>().join(" ")
}

async fn found(store: &impl Store, query: &str) -> String {
    let answer = asked(store, &request(query)).await;
    assert_eq!(answer.mistake, None, "{query}");
    ids(&answer)
}

pub(super) async fn searches_find_what_the_language_says(place: &impl Place) {
    let store = filled(place).await;
    for (query, expected) in [
        ("", "m3 m2 m1 4 3 2 1"),
        ("anna", "3"),
        ("software engineer", "3 2"),
        ("\"software engineer\"", "2"),
        ("Occupation:\"software tester\" OR Name:audi", "m1 3"),
        ("已购房", "3 1"),
        ("购房", "3 1"),
        ("已", "4 3 1"),
        ("租", "2"),
        ("奥迪", "m2"),
        ("杭州 安静", "1"),
        ("home.city:杭州", "1"),
        ("Payload.home.city:杭", "1"),
        ("Name:雪", "1"),
        ("Name:已购房", ""),
        ("Age:(<30)", "m1 1"),
        ("Age:(<=30)", "m1 2 1"),
        ("age:>24 Gender:女", "3"),
        ("Age:30", "4 2"),
        ("Age:\"30\"", "4 2"),
        ("Height:([178 TO 185])", "2"),
        ("Height:[178 TO 185.5]", "3 2"),
        ("Height:{178 TO *]", "3"),
        ("Height:(<0 OR >180)", "4 3"),
        ("Height:-1", "4"),
        ("Payload.Age:2", "m1"),
        ("MaxSpeed:>240", "m2 m1"),
        ("Sizes:>40 Sizes:<2", "m1"),
        ("Type:zhenai", "4 3 2 1"),
        ("type:car NOT Name:奥迪", "m3 m1"),
        ("Type:Zhenai", ""),
        ("Payload.Type:shy", "4"),
        ("Id:m2 OR Id:1", "m2 1"),
        ("Url:http://h/items/m2", "m2"),
        ("Crawl:d -a4", "m3 m2"),
        ("NOT Type:car", "4 3 2 1"),
        ("-Age:(<30) -Type:car", "4 3 2"),
        ("(Gender:男 AND Age:>20) OR Price:(>40)", "m2 2"),
        ("tags:\"wine blue\"", ""),
        ("tags:\"red wine\"", "4"),
        ("electric:true", "m2"),
        ("no:null", ""),
        ("e-mail:me@example.org", "m3"),
        ("example.org", "m3"),
        ("<script>alert('x')</script>", "m3"),
        ("'; DROP TABLE items; --", ""),
        ("words : \\\"a\\\"* NEAR(b)", ""),
        ("m2", "m2"),
        ("***", "m3 m2 m1 4 3 2 1"),
    ] {
        let query = query.replace("\\\"", "");
        assert_eq!(found(&store, &query).await, expected, "{query}");
        let oracle = ItemQuery::parse(&query).unwrap();
        let mut matching: Vec<String> = all(&store, &ItemFilter::default())
            .await
            .iter()
            .filter(|stored| oracle.matches(stored))
            .map(|stored| stored.item.id.to_string())
            .collect();
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        matching.sort();
        expected.sort_unstable();
        assert_eq!(matching, expected, "the plain form of {query}");
    }
}

pub(super) async fn an_answer_has_counts_by_type_marks_and_the_place_of_a_mistake(place: &impl Place) {
    let store = filled(place).await;
    let answer = asked(&store, &request("Name:a4 OR House:已购房")).await;
    assert_eq!((answer.count, answer.more), (3, false));
    assert_eq!(answer.types, [("car".to_owned(), 1), ("zhenai".to_owned(), 2)]);
    let marks = |at: usize| {
        answer.hits[at].highlights.iter().map(|mark| (mark.field.as_str(), mark.text.as_str(), &mark.marks[..])).collect::<Vec<_>>()
    };
    assert_eq!(marks(0), [("Name", "Audi A4", &[(5, 7)][..])]);
    assert_eq!(marks(1), [("House", "已购房", &[(0, 3)][..])]);
    let mistake = asked(&store, &request("Age:(<x)")).await.mistake.unwrap();
    assert_eq!((mistake.at, mistake.message.as_str()), (6, "a number is missing here"));
    let sorted = SearchRequest { sort: Some("Name".into()), ..request("a") };
    assert_eq!(asked(&store, &sorted).await.mistake.unwrap().message, "cannot sort by Name: no type has numbers of that name");
}

pub(super) async fn hits_are_sorted_by_number_and_paged_by_cursor_and_by_place(place: &impl Place) {
    let store = filled(place).await;
    for (query, sort, expected) in [
        ("", "Age", "m1 1 2 3"),
        ("", "-age", "3 2 1 m1"),
        ("Type:zhenai", "-Height", "3 2 1 4"),
        ("", "-Price", "m2 m1 m3"),
        ("房", "Age", "1 2 3"),
    ] {
        let mut listed = Vec::new();
        let mut request = SearchRequest { sort: Some(sort.to_owned()), limit: 1, ..request(query) };
        loop {
            let answer = asked(&store, &request).await;
            assert_eq!((answer.mistake, answer.count), (None, expected.split(' ').count() as u64), "{query} by {sort}");
            listed.extend(answer.hits.into_iter().map(|hit| hit.item.id.to_string()));
            if answer.next.is_none() {
                break;
            }
            request.after = answer.next;
        }
        assert_eq!(listed.join(" "), expected, "{query} by {sort}");
    }
    let from = SearchRequest { from: 5, limit: 10, ..request("") };
    assert_eq!(ids(&asked(&store, &from).await), "2 1");
    let far = SearchRequest { from: 9_995, limit: 10, ..request("") };
    assert!(asked(&store, &far).await.mistake.unwrap().message.contains("reached by a cursor"));
    let odd = SearchRequest { after: Some("x".into()), ..request("") };
    assert_eq!(asked(&store, &odd).await.mistake.unwrap().message, "the cursor is none");
}

pub(super) async fn searches_follow_what_is_saved_changed_and_taken_away_also_after_a_restart(place: &impl Place) {
    let store = filled(place).await;
    assert_eq!(found(&store, "fresh").await, "");
    save(&store, batch("c", 1, &[page("people", 3, &[item("zhenai", "2", r#"{"Name":"fresh","Age":99}"#)])])).await;
    store.close().await;
    let store = place.open().await;
    assert_eq!(found(&store, "fresh").await, "2");
    assert_eq!(found(&store, "John OR 已购房 OR Age:(<50)").await, "m1");
    assert_eq!(found(&store, "Age:>98").await, "2");
    assert_eq!(found(&store, "").await, "m3 m2 m1 2");
}

pub(super) async fn hits_past_ten_thousand_are_reached_by_a_cursor_and_counted_no_further(place: &impl Place) {
    let store = place.open().await;
    let total = COUNTED as usize + 300;
    let many: Vec<Item> = (0..total).map(|n| item("t", &n.to_string(), &format!("{{\"n\":{n},\"word\":\"same\"}}"))).collect();
    for (at, items) in (1..).zip(many.chunks(2_000)) {
        save(&store, batch("c", 1, &[page(&at.to_string(), at, items)])).await;
    }
    let mut request = request("same n:(>=0)");
    let (mut expected, mut pages) = ((0..total).rev(), 0);
    loop {
        let answer = asked(&store, &request).await;
        assert_eq!((answer.count, answer.more, answer.types.len()), (COUNTED, true, 0));
        for hit in &answer.hits {
            assert_eq!(hit.item.id.as_str(), expected.next().unwrap().to_string());
        }
        pages += 1;
        if answer.next.is_none() {
            break;
        }
        request.after = answer.next;
    }
    assert_eq!((expected.next(), pages), (None, 11));
    let few = asked(&store, &SearchRequest { after: None, ..self::request("same n:<7") }).await;
    assert_eq!((few.count, few.types), (7, vec![("t".to_owned(), 7)]));
}

/// Queries put together at random, each the same in every run.
pub(super) async fn any_query_finds_what_its_plain_form_finds(place: &impl Place) {
    let store = filled(place).await;
    let stored = all(&store, &ItemFilter::default()).await;
    let parts = [
        "已购",
        "房",
        "engineer",
        "\"software engineer\"",
        "Age:>24",
        "Age:(<30)",
        "Type:car",
        "Gender:女",
        "Price:[0 TO 30]",
        "Name:a4",
        "x",
    ];
    let mut state: u64 = 7;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..120 {
        let mut query = String::new();
        for at in 0..=random(4) {
            if at > 0 {
                query.push_str([" ", " AND ", " OR "][random(3)]);
            }
            let not = if random(3) == 0 { "NOT " } else { "" };
            let part = parts[random(parts.len())];
            let other = parts[random(parts.len())];
            query.push_str(&if random(4) == 0 { format!("{not}({part} OR {other})") } else { format!("{not}{part}") });
        }
        let oracle = ItemQuery::parse(&query).unwrap();
        let mut expected: Vec<&str> = stored.iter().filter(|stored| oracle.matches(stored)).map(|stored| stored.item.id.as_str()).collect();
        let answer = asked(&store, &request(&query)).await;
        let mut ids: Vec<&str> = answer.hits.iter().map(|hit| hit.item.id.as_str()).collect();
        expected.sort_unstable();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{query}");
        assert_eq!(answer.count as usize, expected.len(), "{query}");
    }
}

/// As many parts and levels as the language allows are not too many for a store.
pub(super) async fn the_longest_and_the_deepest_query_find_what_they_say(place: &impl Place) {
    let store = filled(place).await;
    let without: String = (0..199).map(|n| format!(" -word{n}")).collect();
    assert_eq!(found(&store, &format!("anna{without}")).await, "3");
    assert_eq!(found(&store, &format!("Age:>30{without}")).await, "3");
    let any: String = (0..199).map(|n| format!(" OR word{n}")).collect();
    assert_eq!(found(&store, &format!("anna{any}")).await, "3");
    let deepest = (0..MAX_DEPTH).fold("anna".to_owned(), |inner, _| format!("audi OR zz OR engineer ({inner}) -yy"));
    assert_eq!(found(&store, &deepest).await, "m1 3");
    let deepest = (0..MAX_DEPTH).fold("anna".to_owned(), |inner, _| format!("NOT {inner}"));
    assert_eq!(found(&store, &deepest).await, "3");
}

/// However a payload is made, it is found by its words.
pub(super) async fn odd_payloads_are_stored_and_found(place: &impl Place) {
    let store = place.open().await;
    let long = format!("{{\"text\":\"{} last\"}}", "wörd ".repeat(3_000));
    let payloads = [long.as_str(), "{\"a b.c\":{\"d\":\"deep\"}}", "{\"n\":1e400}", "{\"u\":\"\\u0000 \\u2028 zero\"}"];
    let items: Vec<Item> = payloads.iter().enumerate().map(|(at, payload)| item("t", &format!("o{at}"), payload)).collect();
    assert!(items.iter().all(|item| PayloadJson::parse(item.payload.as_str().to_owned()).is_ok()));
    save(&store, batch("c", 1, &[page("a", 1, &items)])).await;
    for (query, expected) in [("\"wörd last\"", "o0"), ("deep", "o1"), ("zero", "o3"), ("n:>0", "")] {
        assert_eq!(found(&store, query).await, expected, "{query}");
    }
}
