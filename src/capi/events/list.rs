//! Lists of names, users and members, as they were when they were made.

use std::ffi::c_char;

use crate::Member;
use crate::capi::ffi::{
    arguments::{OptionalOut, Out},
    handles::{Freed, Handle, OptionalHandle},
    results::Failure,
    text::{self, Terminated},
};

pub(crate) struct List {
    items: Vec<Item>,
}

struct Item {
    id: Terminated,
    /// Members alone have it.
    info: Option<Terminated>,
}

impl<'a> FromIterator<&'a str> for List {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self { items: names.into_iter().map(|name| Item { id: Terminated::new(name), info: None }).collect() }
    }
}

impl<'a> FromIterator<&'a Member> for List {
    fn from_iter<I: IntoIterator<Item = &'a Member>>(members: I) -> Self {
        let item =
            |member: &Member| Item { id: Terminated::new(member.id()), info: Some(Terminated::new(member.info())) };
        Self { items: members.into_iter().map(item).collect() }
    }
}

impl Freed for List {}

impl List {
    fn item(&self, index: usize) -> Result<&Item, Failure> {
        self.items.get(index).ok_or(Failure::Nothing)
    }
}

exports! {
    fn pusher_list_length(list: Handle<List>, length: Out<'_, usize>) {
        length.put(list.items.len());
        Ok(())
    }

    fn pusher_list_id(
        list: Handle<List>,
        index: usize,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(list.item(index)?.id.as_str(), (text, length));
        Ok(())
    }

    fn pusher_list_info(
        list: Handle<List>,
        index: usize,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        let info = list.item(index)?.info.as_ref().ok_or(Failure::Nothing)?;
        text::lend(info.as_str(), (text, length));
        Ok(())
    }

    free fn pusher_list_free(list: OptionalHandle<List>)
}
