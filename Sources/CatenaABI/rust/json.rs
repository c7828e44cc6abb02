//! JSON (RFC 8259) for configurations: read and written, in safe Rust without a crate. Part of catena.rs.

use std::fmt;

/// How deep lists and objects may stand in one another.
const DEPTH: usize = 128;

/// A value. Members of an object keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// As it is written: none is rounded on its way through.
    Number(String),
    String(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A member of an object. One that is null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => {
                members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value).filter(|value| **value != Value::Null)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn members(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The number, where it is written as a whole one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The number, rounded to what a double can hold.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The object with a member set: in the place of the one that is there, else at its end.
    pub fn with(&self, key: &str, value: Value) -> Value {
        let mut members = self.members().unwrap_or(&[]).to_vec();
        match members.iter_mut().find(|(name, _)| name == key) {
            Some(member) => member.1 = value,
            None => members.push((key.to_string(), value)),
        }
        Value::Object(members)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Value::Null => out.write_str("null"),
            Value::Bool(value) => write!(out, "{}", value),
            Value::Number(text) => out.write_str(text),
            Value::String(text) => quote(text, out),
            Value::List(items) => {
                out.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{}", if index > 0 { "," } else { "" }, item)?;
                }
                out.write_str("]")
            }
            Value::Object(members) => {
                out.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    out.write_str(if index > 0 { "," } else { "" })?;
                    quote(key, out)?;
                    write!(out, ":{}", value)?;
                }
                out.write_str("}")
            }
        }
    }
}

fn quote(text: &str, out: &mut fmt::Formatter) -> fmt::Result {
    out.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            control if control < ' ' => write!(out, "\\u{:04x}", control as u32)?,
            other => write!(out, "{}", other)?,
        }
    }
    out.write_str("\"")
}

/// Reads a text that is one value; an error says what is wrong, and at which byte.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, position: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.position < text.len() {
        return Err(parser.wrong("the end"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Parser<'a> {
    fn wrong(&self, expected: &str) -> String {
        match self.text[self.position..].chars().next() {
            Some(found) => format!("byte {}: expected {}, found {:?}", self.position, expected, found),
            None => format!("expected {}, found the end", expected),
        }
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.position).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.position += 1;
        }
    }

    /// Steps over a text that is next.
    fn take(&mut self, word: &str) -> bool {
        let found = self.text[self.position..].starts_with(word);
        self.position += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.skip_space();
        if depth > DEPTH {
            return Err(format!("byte {}: nested too deep", self.position));
        }
        match self.peek() {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            _ if self.take("true") => Ok(Value::Bool(true)),
            _ if self.take("false") => Ok(Value::Bool(false)),
            _ if self.take("null") => Ok(Value::Null),
            _ => Err(self.wrong("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        let mut members = Vec::new();
        self.position += 1;
        self.skip_space();
        if self.take("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != b'"' {
                return Err(self.wrong("a key"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(":") {
                return Err(self.wrong("':'"));
            }
            members.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.take("}") {
                return Ok(Value::Object(members));
            }
            if !self.take(",") {
                return Err(self.wrong("',' or '}'"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        self.position += 1;
        self.skip_space();
        if self.take("]") {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take("]") {
                return Ok(Value::List(items));
            }
            if !self.take(",") {
                return Err(self.wrong("',' or ']'"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.position;
        while self.peek().is_ascii_digit() {
            self.position += 1;
        }
        self.position - start
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.position;
        self.take("-");
        let leading_zero = self.peek() == b'0';
        let whole = self.digits();
        let well_formed = whole > 0
            && !(leading_zero && whole > 1)
            && (!self.take(".") || self.digits() > 0)
            && (!(self.take("e") || self.take("E")) || {
                let _sign = self.take("+") || self.take("-");
                self.digits() > 0
            });
        if !well_formed {
            return Err(self.wrong("a number"));
        }
        Ok(Value::Number(self.text[start..self.position].to_string()))
    }

    fn string(&mut self) -> Result<String, String> {
        let mut found = String::new();
        self.position += 1;
        loop {
            let rest = &self.text[self.position..];
            let character = rest.chars().next().ok_or_else(|| self.wrong("'\"'"))?;
            if character < ' ' {
                return Err(self.wrong("'\"'"));
            }
            self.position += character.len_utf8();
            match character {
                '"' => return Ok(found),
                '\\' => found.push(self.escape()?),
                other => found.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let kind = self.peek();
        let plain = match kind {
            b'"' | b'\\' | b'/' => kind as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.wrong("an escape")),
        };
        self.position += 1;
        Ok(plain)
    }

    fn hexadecimal(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.position + 1..self.position + 5).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| self.wrong("'u' and four digits"))?;
        self.position += 5;
        Ok(number)
    }

    /// `u` and four digits; of a surrogate pair both halves.
    fn code_point(&mut self) -> Result<char, String> {
        let mut number = self.hexadecimal()?;
        if (0xd800..0xdc00).contains(&number) {
            let low = if self.take("\\") { self.hexadecimal()? } else { 0 };
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.wrong("the second half of a surrogate pair"));
            }
            number = 0x10000 + ((number - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(number).ok_or_else(|| self.wrong("a character"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        for text in [r#"{"a":[1,-2.5,true,false,null,"x\"\\"],"b":{},"c":[]}"#, r#""Grüße""#, "0", "[[[]]]"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse(" [ 1e3 , \"\\u00e9\\ud83d\\ude00\\n\" ] ").unwrap().to_string(), "[1e3,\"é😀\\u000a\"]");
        assert_eq!(parse("18446744073709551615").unwrap().as_u64(), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "1e",
            "tru",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\n\"",
            "1 2",
            &deep,
        ] {
            assert!(parse(text).is_err(), "{}", text);
        }
    }

    #[test]
    fn members() {
        let value = parse(r#"{"a":1,"n":null,"a":2}"#).unwrap();
        assert_eq!((value.get("a").and_then(Value::as_u64), value.get("n"), value.get("b")), (Some(2), None, None));
        assert_eq!(value.with("n", Value::Bool(true)).with("z", Value::Null).to_string(), r#"{"a":1,"n":true,"a":2,"z":null}"#);
    }
}
