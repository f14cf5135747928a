//! The properties of a delivery that may be kept as columns, in addition to its body. Pure.

use std::fmt;
use std::str::FromStr;

/// A property of a delivery. Its column has the property's name in the ini.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    RoutingKey,
    Exchange,
    MessageId,
    AppId,
    UserId,
    CorrelationId,
    ReplyTo,
    Type,
    ContentType,
    ContentEncoding,
    Expiration,
    Priority,
    /// one of the headers, by its name
    Header(String),
}

const HEADER_PREFIX: &str = "header.";

/// All but the headers.
const PLAIN_NAMES: [(&str, Property); 12] = [
    ("routing_key", Property::RoutingKey),
    ("exchange", Property::Exchange),
    ("message_id", Property::MessageId),
    ("app_id", Property::AppId),
    ("user_id", Property::UserId),
    ("correlation_id", Property::CorrelationId),
    ("reply_to", Property::ReplyTo),
    ("type", Property::Type),
    ("content_type", Property::ContentType),
    ("content_encoding", Property::ContentEncoding),
    ("expiration", Property::Expiration),
    ("priority", Property::Priority),
];

impl FromStr for Property {
    type Err = String;

    fn from_str(name: &str) -> Result<Property, String> {
        if let Some((_, property)) = PLAIN_NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(property.clone());
        }
        match name.strip_prefix(HEADER_PREFIX) {
            Some(header) if !header.is_empty() => Ok(Property::Header(header.to_owned())),
            _ => {
                let names: Vec<&str> = PLAIN_NAMES.iter().map(|(name, _)| *name).collect();
                Err(format!("'{name}' is not one of {}, {HEADER_PREFIX}<name>", names.join(", ")))
            }
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Property::Header(header) = self {
            return write!(f, "{HEADER_PREFIX}{header}");
        }
        f.write_str(PLAIN_NAMES.iter().find(|(_, property)| property == self).map_or("", |(name, _)| *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_called_as_its_column() {
        for name in PLAIN_NAMES.iter().map(|(name, _)| *name).chain(["header.x-tenant", "header.a.b", "header.header."])
        {
            assert_eq!(name.parse::<Property>().expect("known").to_string(), name);
        }
        for name in ["header.", "header", "x-tenant", "Routing_key", "timestamp", "delivery_mode"] {
            let why = name.parse::<Property>().expect_err("not known");
            assert!(why.starts_with(&format!("'{name}' is not one of routing_key, ")), "{why}");
        }
    }
}
