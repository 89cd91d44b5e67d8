//! A site report read back, one node at a time: `report.json` in, its rows and then the rest of it out.
//!
//! A report of many nodes is larger than what anyone wants in memory; whoever reads it for evidence looks at one row after the
//! other.

use std::fmt;
use std::io;

use assay_report::{NodeRow, SITE_REPORT_SCHEMA, SiteReport};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Hands every row to `take`, in the report's order, and gives the report without its rows.
///
/// # Errors
/// Where it is no site report of this version; what was taken before stands.
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
        Err(serde_json::Error::custom(format!("its schema is not {SITE_REPORT_SCHEMA}")))
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
                return Err(A::Error::custom("a member comes twice"));
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
