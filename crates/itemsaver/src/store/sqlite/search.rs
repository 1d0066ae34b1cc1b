//! Searches in SQL over the index that [`super::indexer`] keeps.
//!
//! What can be said in words is one expression of the word index, which hands out items newest first and as many as are wanted; what
//! remains, numbers and some negations, is a condition on each.

use std::cmp::Reverse;

use model::search::COUNTED;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::failure::Failure;
use super::reader::item_of_row;
use crate::search::entries::exact;
use crate::search::query::{Bound, Bounds, Field, Query, Text};
use crate::search::{Found, MAX_BYTES, Position, Search, Sort};

/// Finds items.
pub(super) fn search(connection: &Connection, search: &Search) -> Result<Found, Failure> {
    let behind = connection.query_row("SELECT count(*) FROM unindexed", [], |row| row.get::<_, i64>(0))?.cast_unsigned();
    let mut matching = Matching::new(connection, &search.query)?;
    let sorted = match &search.sort {
        Sort::Newest => None,
        Sort::Number { field, descending } => {
            let field = Field { name: field.clone() };
            matching.condition(&Query::Number(field.clone(), Bounds { low: Bound::Open, high: Bound::Open }))?;
            Some((field.key().number(), *descending))
        }
    };
    let everything = sorted.is_none() && search.query == Query::All;
    let few = if everything { None } else { matching.few()? };
    let types = match &few {
        _ if everything => matching.types()?,
        Some(few) => matching.types_of(few)?,
        None => vec![(String::new(), COUNTED + 1)],
    };
    let count = types.iter().map(|(_, count)| count).sum();
    let positions = match (sorted, few) {
        (None, Some(few)) => newest_of(few, search),
        (None, None) => matching.newest(search)?,
        (Some((field, descending)), few) => matching.by_number(search, field, descending, few)?,
    };
    let mut next = positions.last().filter(|_| positions.len() == search.limit as usize).map(|(_, position)| *position);
    let (mut items, mut bytes) = (Vec::with_capacity(positions.len()), 0);
    for (item, position) in positions {
        // More than an answer may have is not read.
        if bytes > MAX_BYTES {
            next = items.last().map(|(_, position): &(_, Position)| *position);
            break;
        }
        // Gone since, and its place in the index not yet.
        if let Some(stored) = item_of_row(connection, item)? {
            bytes += stored.item.payload.as_str().len();
            items.push((stored, position));
        }
    }
    Ok(Found { items, next, count, types, behind })
}

/// The items that match a query: where they come from, and what is asked of each.
struct Matching<'a> {
    connection: &'a Connection,
    /// An expression of the word index that they all match.
    words: Option<String>,
    conditions: Vec<String>,
    parameters: Vec<Value>,
}

impl<'a> Matching<'a> {
    fn new(connection: &'a Connection, query: &Query) -> Result<Matching<'a>, Failure> {
        let mut matching = Matching { connection, words: None, conditions: Vec::new(), parameters: Vec::new() };
        if let Some(words) = expression(query) {
            matching.words = Some(words);
            return Ok(matching);
        }
        match query {
            Query::All => {}
            Query::And(queries) => {
                let (in_words, rest): (Vec<&Query>, Vec<&Query>) = queries.iter().partition(|query| expression(query).is_some());
                matching.words = conjunction(&in_words);
                rest.into_iter().try_for_each(|query| matching.condition(query))?;
            }
            Query::Or(_) | Query::Not(_) | Query::Number(..) | Query::Text(_) | Query::Exact(..) => matching.condition(query)?,
        }
        Ok(matching)
    }

    fn condition(&mut self, query: &Query) -> Result<(), Failure> {
        let condition = self.sql(query)?;
        self.conditions.push(condition);
        Ok(())
    }

    /// A condition on `ITEM`.
    fn sql(&mut self, query: &Query) -> Result<String, Failure> {
        if let Some(expression) = expression(query) {
            let parameter = self.parameter(Value::Text(expression));
            return Ok(format!("ITEM IN (SELECT rowid FROM search WHERE search MATCH {parameter})"));
        }
        Ok(match query {
            Query::All => "1".to_owned(),
            Query::And(queries) => self.joined(queries, " AND ")?,
            Query::Or(queries) => self.joined(queries, " OR ")?,
            Query::Not(query) => format!("NOT ({})", self.sql(query)?),
            Query::Number(field, bounds) => self.number(field, *bounds)?,
            Query::Text(_) | Query::Exact(..) => unreachable!("these are expressions"),
        })
    }

    fn joined(&mut self, queries: &[Query], with: &str) -> Result<String, Failure> {
        let each: Vec<String> = queries.iter().map(|query| self.sql(query)).collect::<Result<_, _>>()?;
        Ok(format!("({})", each.join(with)))
    }

    fn number(&mut self, field: &Field, bounds: Bounds) -> Result<String, Failure> {
        let mut range = format!("field = {}", field.key().number());
        for (bound, including, excluding) in [(bounds.low, ">=", ">"), (bounds.high, "<=", "<")] {
            let (sign, number) = match bound {
                Bound::Open => continue,
                Bound::Including(number) => (including, number),
                Bound::Excluding(number) => (excluding, number),
            };
            let parameter = self.parameter(Value::Real(number));
            range.push_str(&format!(" AND value {sign} {parameter}"));
        }
        // Few are looked up first; many are looked at as they come.
        let few = format!("SELECT count(*) FROM (SELECT 1 FROM numbers WHERE {range} LIMIT {})", COUNTED + 1);
        let numbers = self.count(&few)?;
        Ok(if numbers > COUNTED {
            format!("EXISTS (SELECT 1 FROM numbers WHERE item = ITEM AND {range})")
        } else {
            format!("ITEM IN (SELECT item FROM numbers WHERE {range})")
        })
    }

    /// Every parameter stands in every statement under its number, used there or not.
    fn parameter(&mut self, value: Value) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    /// `FROM … WHERE …` of the matching items, and what names an item in it.
    fn source(&self, further: &str) -> (String, &'static str) {
        let (table, item, first) = match &self.words {
            // Quotation marks do not occur in words.
            Some(words) => ("search", "search.rowid", format!("search MATCH '{words}'")),
            None => ("items", "items.item", "1".to_owned()),
        };
        // With the sign SQLite does not try to look items up in the word index, which it does wrongly for alternatives.
        let asked = if self.words.is_some() { "+search.rowid" } else { item };
        let conditions: String = self.conditions.iter().map(|condition| format!(" AND {}", condition.replace("ITEM", asked))).collect();
        (format!("FROM {table} WHERE {first}{conditions}{}", further.replace("ITEM", item)), item)
    }

    fn count(&self, sql: &str) -> Result<u64, Failure> {
        let mut select = self.connection.prepare(sql)?;
        // SQLite takes no more parameters than the greatest number that stands there.
        let used = select.parameter_count();
        Ok(select.query_row(params_from_iter(&self.parameters[..used]), |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// All that match, when they are few enough to be counted: found once, whatever is then asked of them.
    fn few(&self) -> Result<Option<Vec<i64>>, Failure> {
        let (source, item) = self.source("");
        let mut select = self.connection.prepare(&format!("SELECT {item} {source} LIMIT {}", COUNTED + 1))?;
        let used = select.parameter_count();
        let items = select.query_map(params_from_iter(&self.parameters[..used]), |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        Ok((items.len() as u64 <= COUNTED).then_some(items))
    }

    /// How many there are of each type.
    fn types(&self) -> Result<Vec<(String, u64)>, Failure> {
        let mut select = self.connection.prepare_cached("SELECT name, items FROM types WHERE items > 0 ORDER BY name")?;
        let types = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(types.collect::<Result<_, _>>()?)
    }

    /// How many of these are of each type.
    fn types_of(&self, few: &[i64]) -> Result<Vec<(String, u64)>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT types.name, count(*) FROM json_each(?1) AS matching CROSS JOIN items ON items.item = matching.value
             JOIN types ON types.id = items.type GROUP BY types.name ORDER BY types.name",
        )?;
        let types = select.query_map([list(few)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(types.collect::<Result<_, _>>()?)
    }

    fn newest(&self, search: &Search) -> Result<Vec<(i64, Position)>, Failure> {
        let further = search.after.map_or(String::new(), |after| format!(" AND ITEM < {}", after.number.cast_signed()));
        let (source, item) = self.source(&further);
        let offset = if search.after.is_some() { 0 } else { search.from };
        let sql = format!("SELECT {item}, NULL {source} ORDER BY {item} DESC LIMIT {} OFFSET {offset}", search.limit);
        self.positions(&sql)
    }

    fn by_number(&mut self, search: &Search, field: i64, descending: bool, few: Option<Vec<i64>>) -> Result<Vec<(i64, Position)>, Failure> {
        let (direction, beyond, better) = if descending { ("DESC", "<", ">") } else { ("ASC", ">", "<") };
        let after = match search.after {
            Some(Position { number, value: Some(value) }) => {
                let number = number.cast_signed();
                format!(" AND (n.value {beyond} {value:?} OR (n.value = {value:?} AND n.item < {number}))")
            }
            Some(Position { value: None, .. }) | None => String::new(),
        };
        // Of several numbers the first in the order counts.
        let first =
            format!("NOT EXISTS (SELECT 1 FROM numbers m WHERE m.item = n.item AND m.field = n.field AND m.value {better} n.value)");
        let from = if let Some(few) = few {
            let few = self.parameter(Value::Text(list(&few)));
            format!("json_each({few}) AS matching CROSS JOIN numbers n WHERE n.item = matching.value")
        } else {
            let (conditions, item) = self.source("");
            format!("numbers n WHERE n.item IN (SELECT {item} {conditions})")
        };
        let offset = if search.after.is_some() { 0 } else { search.from };
        let sql = format!(
            "SELECT n.item, n.value FROM {from} AND n.field = {field} AND {first}{after}
             ORDER BY n.value {direction}, n.item DESC LIMIT {} OFFSET {offset}",
            search.limit
        );
        self.positions(&sql)
    }

    fn positions(&self, sql: &str) -> Result<Vec<(i64, Position)>, Failure> {
        let mut select = self.connection.prepare(sql)?;
        let used = select.parameter_count();
        let rows = select.query_map(params_from_iter(&self.parameters[..used]), |row| {
            let item: i64 = row.get(0)?;
            Ok((item, Position { number: item.cast_unsigned(), value: row.get(1)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Items as a JSON list, which SQLite reads as a table.
fn list(items: &[i64]) -> String {
    serde_json::Value::from(items).to_string()
}

fn newest_of(mut few: Vec<i64>, search: &Search) -> Vec<(i64, Position)> {
    few.sort_unstable_by_key(|item| Reverse(*item));
    let is_after = |item: &i64| search.after.is_none_or(|after| *item < after.number.cast_signed());
    let from = if search.after.is_some() { 0 } else { search.from as usize };
    let position = |item: i64| (item, Position { number: item.cast_unsigned(), value: None });
    few.into_iter().filter(is_after).skip(from).take(search.limit as usize).map(position).collect()
}

/// A query as an expression of the word index, if it is one.
fn expression(query: &Query) -> Option<String> {
    match query {
        Query::Text(text) => Some(text_expression(text)),
        Query::Exact(attribute, value) => Some(format!("fielded : \"{}\"", exact(*attribute, value))),
        Query::And(queries) => {
            let (negated, positive): (Vec<&Query>, Vec<&Query>) = queries.iter().partition(|query| matches!(query, Query::Not(_)));
            let mut whole = positive.iter().map(|query| expression(query)).collect::<Option<Vec<_>>>()?;
            whole = whole.into_iter().map(|part| format!("({part})")).collect();
            let all = (!whole.is_empty()).then(|| whole.join(" AND "))?;
            // In one pair of parentheses: the word index takes few that stand in each other.
            let none: Vec<String> = negated
                .into_iter()
                .map(|query| {
                    let Query::Not(query) = query else { unreachable!("these are negations") };
                    expression(query).map(|part| format!("({part})"))
                })
                .collect::<Option<_>>()?;
            Some(if none.is_empty() { all } else { format!("({all}) NOT ({})", none.join(" OR ")) })
        }
        Query::Or(queries) => {
            let each = queries.iter().map(|query| expression(query).map(|part| format!("({part})"))).collect::<Option<Vec<_>>>()?;
            Some(each.join(" OR "))
        }
        Query::All | Query::Not(_) | Query::Number(..) => None,
    }
}

fn conjunction(queries: &[&Query]) -> Option<String> {
    let each: Vec<String> = queries.iter().filter_map(|query| expression(query)).map(|part| format!("({part})")).collect();
    (!each.is_empty()).then(|| each.join(" AND "))
}

fn text_expression(text: &Text) -> String {
    let column = if text.field.is_some() { "fielded" } else { "words" };
    format!("{column} : \"{}\"{}", text.indexed().join(" "), if text.is_prefix { " *" } else { "" })
}
