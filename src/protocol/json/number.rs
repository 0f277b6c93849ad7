//! Refuses numbers that JSON cannot represent. serde_json silently writes `null` for them (T1).

use std::fmt;

use serde::{
    Serialize, Serializer,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// Serialises its value. A float that is NaN or infinite, at any depth, is an error.
pub(crate) struct Finite<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Serialize for Finite<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(FiniteSerializer(serializer))
    }
}

/// Forwards everything to another serializer, except for floats that are not finite. It also wraps the serializers for
/// the elements of lists, maps and structures.
struct FiniteSerializer<S>(S);

fn finite<E: Error>(is_finite: bool, float: impl fmt::Display) -> Result<(), E> {
    if is_finite {
        Ok(())
    } else {
        Err(E::custom(format_args!("it contains the number {float}, which JSON cannot represent")))
    }
}

macro_rules! pass_on {
    ($($method:ident($($value:ident: $type:ty),*) -> $result:ty;)+) => {$(
        fn $method(self, $($value: $type),*) -> Result<$result, S::Error> {
            self.0.$method($($value),*)
        }
    )+};
}

macro_rules! pass_compounds_on {
    ($($method:ident($($value:ident: $type:ty),*) -> $compound:ident;)+) => {$(
        fn $method(self, $($value: $type),*) -> Result<Self::$compound, S::Error> {
            self.0.$method($($value),*).map(FiniteSerializer)
        }
    )+};
}

impl<S: Serializer> Serializer for FiniteSerializer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = FiniteSerializer<S::SerializeSeq>;
    type SerializeTuple = FiniteSerializer<S::SerializeTuple>;
    type SerializeTupleStruct = FiniteSerializer<S::SerializeTupleStruct>;
    type SerializeTupleVariant = FiniteSerializer<S::SerializeTupleVariant>;
    type SerializeMap = FiniteSerializer<S::SerializeMap>;
    type SerializeStruct = FiniteSerializer<S::SerializeStruct>;
    type SerializeStructVariant = FiniteSerializer<S::SerializeStructVariant>;

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        finite(value.is_finite(), value)?;
        self.0.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        finite(value.is_finite(), value)?;
        self.0.serialize_f64(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Finite(value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Finite(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Finite(value))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    pass_on! {
        serialize_bool(value: bool) -> S::Ok;
        serialize_i8(value: i8) -> S::Ok;
        serialize_i16(value: i16) -> S::Ok;
        serialize_i32(value: i32) -> S::Ok;
        serialize_i64(value: i64) -> S::Ok;
        serialize_i128(value: i128) -> S::Ok;
        serialize_u8(value: u8) -> S::Ok;
        serialize_u16(value: u16) -> S::Ok;
        serialize_u32(value: u32) -> S::Ok;
        serialize_u64(value: u64) -> S::Ok;
        serialize_u128(value: u128) -> S::Ok;
        serialize_char(value: char) -> S::Ok;
        serialize_str(value: &str) -> S::Ok;
        serialize_bytes(value: &[u8]) -> S::Ok;
        serialize_none() -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(name: &'static str) -> S::Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok;
    }

    pass_compounds_on! {
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize)
            -> SerializeStructVariant;
    }
}

macro_rules! pass_elements_on {
    ($($compound:ident: $method:ident($($key:ident: $type:ty)?);)+) => {$(
        impl<S: $compound> $compound for FiniteSerializer<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: $type,)? value: &T) -> Result<(), S::Error> {
                self.0.$method($($key,)? &Finite(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )+};
}

pass_elements_on! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(key: &'static str);
    SerializeStructVariant: serialize_field(key: &'static str);
}

impl<S: SerializeMap> SerializeMap for FiniteSerializer<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(&Finite(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Finite(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{json, value::RawValue};

    use super::*;

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    struct Pair<T>(u8, T);

    #[derive(Serialize)]
    struct Fields<T> {
        before: Option<()>,
        value: T,
    }

    #[derive(Serialize)]
    enum Variants<T> {
        Unit,
        Newtype(T),
        Tuple(u8, T),
        Struct { value: T },
    }

    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged<T> {
        A { value: T },
    }

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Untagged<T> {
        A(T),
    }

    #[derive(Serialize)]
    struct Flattened<T> {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<&'static str, T>,
    }

    fn both(value: &(impl Serialize + ?Sized)) -> (String, serde_json::Result<String>) {
        (serde_json::to_string(value).expect("JSON"), serde_json::to_string(&Finite(value)))
    }

    /// The value inside of all kinds of containers.
    fn around<T: Serialize + Copy>(value: T) -> Vec<(String, serde_json::Result<String>)> {
        vec![
            both(&value),
            both(&Some(value)),
            both(&[value]),
            both(&vec![vec![value]]),
            both(&(1, value)),
            both(&Wrapped(value)),
            both(&Pair(1, value)),
            both(&Fields { before: None, value }),
            both(&Variants::Newtype(value)),
            both(&Variants::Tuple(1, value)),
            both(&Variants::Struct { value }),
            both(&Tagged::A { value }),
            both(&Untagged::A(value)),
            both(&Flattened { id: 1, rest: BTreeMap::from([("rest", value)]) }),
            both(&BTreeMap::from([("key", value)])),
            both(&Box::new(Fields { before: Some(()), value: [Some(value)] })),
        ]
    }

    #[test]
    fn t1_a_float_that_is_not_finite_is_refused_at_every_depth() {
        let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let rows = numbers.into_iter().flat_map(|number| around(number).into_iter().chain(around(number as f32)));
        for (written, refused) in rows {
            assert!(written.contains("null"), "serde_json writes null: {written}");
            let error = refused.expect_err(&written).to_string();
            assert!(error.contains("NaN") || error.contains("inf"), "{error}");
        }
    }

    #[test]
    fn t1_a_key_that_is_not_finite_is_refused() {
        struct Keyed(f64);

        impl Serialize for Keyed {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([(self.0, ())])
            }
        }
        let written = |key| serde_json::to_string(&Finite(&Keyed(key)));
        assert_eq!(written(1.5).expect("JSON"), r#"{"1.5":null}"#);
        assert!(written(f64::NAN).is_err() && written(f64::INFINITY).is_err());
    }

    #[test]
    fn t2_other_values_are_written_as_by_serde_json() {
        let raw = RawValue::from_string(r#"{"a": 1.0,"b":[]}"#.to_owned()).expect("JSON");
        let mut rows = [around(1.5), around(-0.0), around(f64::MAX)].into_iter().flatten().collect::<Vec<_>>();
        rows.extend(around(f32::MIN_POSITIVE));
        rows.extend(around(u128::MAX));
        rows.extend(around(i128::MIN));
        rows.extend([both(&*raw), both(&vec![&*raw]), both(&Fields { before: None, value: &*raw })]);
        rows.extend([both(&Unit), both(&Variants::<u8>::Unit), both("text"), both(&'ż'), both(&()), both(&true)]);
        rows.push(both(&(1u8, 2u16, 3u32, 4u64, -1i8, -2i16, -3i32, -4i64)));
        rows.push(both(&json!({"a": [1, null, 1.5, "x", {"b": {}}], "big": u64::MAX})));
        rows.push(both(&BTreeMap::from([(1, "integers are keys"), (2, "")])));
        rows.push(both(&format_args!("a {}", "display")));
        rows.push(both(&std::net::Ipv4Addr::LOCALHOST));
        for (expected, written) in rows {
            assert_eq!(written.expect("JSON"), expected);
        }
    }
}
