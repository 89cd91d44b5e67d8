//! Reads a site report back, one node at a time.
//!
//! A report of many nodes is too large to be held in memory as a whole.

use std::fmt;
use std::io;

use assay_report::{NodeRow, SITE_REPORT_SCHEMA, SiteReport};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Passes every row to `take`, in the report's order, and returns the report without its rows.
///
/// # Errors
/// If it is not a site report of this version. Rows before the error have been passed on.
pub(crate) fn each(
    report: impl io::Read,
    take: &mut dyn FnMut(NodeRow),
) -> Result<SiteReport, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_reader(report);
    let site = SiteVisitor { take }.deserialize(&mut reader)?;
    reader.end()?;
    if site.schema == SITE_REPORT_SCHEMA {
        Ok(site)
    } else {
        Err(serde_json::Error::custom(format!("the schema is not {SITE_REPORT_SCHEMA}")))
    }
}

struct SiteVisitor<'t> {
    take: &'t mut dyn FnMut(NodeRow),
}

impl<'de> DeserializeSeed<'de> for SiteVisitor<'_> {
    type Value = SiteReport;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<SiteReport, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SiteVisitor<'_> {
    type Value = SiteReport;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a site report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SiteReport, A::Error> {
        let mut rest = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = if name == "nodes" {
                members.next_value_seed(RowsVisitor { take: self.take })?;
                Value::Array(Vec::new())
            } else {
                members.next_value()?
            };
            if rest.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        serde_json::from_value(Value::Object(rest)).map_err(A::Error::custom)
    }
}

struct RowsVisitor<'t> {
    take: &'t mut dyn FnMut(NodeRow),
}

impl<'de> DeserializeSeed<'de> for RowsVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the nodes of a site report")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            (self.take)(row);
        }
        Ok(())
    }
}
