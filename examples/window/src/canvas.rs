//! Draws the field.

use std::time::Instant;

use macroquad::prelude::{
    Color, Font, TextParams, Vec2, clear_background, draw_circle, draw_line, draw_poly, draw_rectangle, draw_text_ex,
    draw_triangle, load_ttf_font_from_bytes, measure_text, mouse_delta_position, mouse_position, screen_height,
    screen_width, vec2,
};

use crate::game::{
    field::{Cursor, Field, listed},
    path::Position,
    profile::{Colour, GREY},
};

const BACKGROUND: Colour = Colour([20, 22, 31]);
const FIELD: Colour = Colour([28, 31, 44]);
const DOTS: Colour = Colour([43, 47, 66]);
const TEXT: Colour = Colour([226, 229, 240]);
const DARK: Colour = Colour([20, 22, 31]);
const GOOD: Colour = Colour([110, 220, 140]);
const BAD: Colour = Colour([255, 167, 77]);

const MARGIN: f32 = 16.0;

/// The width of the list at the right.
const LIST: f32 = 150.0;

/// The distance between the dots of the field.
const GRID: f32 = 29.0;

const LETTERS: u16 = 16;
const SMALL_LETTERS: u16 = 14;

/// The thickness of a trail at the cursor.
const TRAIL: f32 = 6.0;

/// The outline of a cursor, from its tip.
const POINTER: [Vec2; 4] = [vec2(0.0, 0.0), vec2(6.0, 18.5), vec2(9.3, 10.3), vec2(17.5, 7.0)];

/// The drawing area of the window.
pub(crate) struct Canvas {
    font: Font,
}

impl Canvas {
    pub(crate) fn new() -> Result<Self, macroquad::Error> {
        Ok(Self { font: load_ttf_font_from_bytes(epaint_default_fonts::UBUNTU_LIGHT)? })
    }

    /// The position of the mouse on the field, if it has moved in this frame.
    pub(crate) fn pointed_at(&self) -> Option<Position> {
        let (x, y) = mouse_position();
        let (corner, size) = field_area();
        (mouse_delta_position() != Vec2::ZERO).then(|| Position::new((x - corner.x) / size.x, (y - corner.y) / size.y))
    }

    pub(crate) fn draw(&self, field: &Field, now: Instant) {
        clear_background(color(BACKGROUND));
        draw_field();
        let cursors = field.cursors(now);
        // Cursors are drawn over trails.
        cursors.iter().for_each(draw_trail);
        for cursor in &cursors {
            self.draw_cursor(cursor);
        }
        self.draw_list(&cursors);
        self.draw_status(field, now);
    }

    fn draw_cursor(&self, cursor: &Cursor<'_>) {
        let Some(position) = cursor.trail.first() else { return };
        let (tip, own) = (on_screen(*position), colour_of(cursor));
        draw_pointer(tip, own);
        let label = tip + vec2(15.0, 19.0);
        let width = self.width(&cursor.profile.name, SMALL_LETTERS) + 16.0;
        draw_pill(label, vec2(width, 22.0), color(own));
        self.text(&cursor.profile.name, label + vec2(8.0, 15.5), SMALL_LETTERS, DARK);
    }

    fn draw_list(&self, cursors: &[Cursor<'_>]) {
        let corner = vec2(screen_width() - LIST, MARGIN + 18.0);
        self.text("Players", corner, LETTERS, TEXT);
        for (row, cursor) in listed(cursors).enumerate() {
            let line = corner + vec2(0.0, 34.0 + 28.0 * row as f32);
            let dot = line + vec2(7.0, -5.0);
            draw_disc(dot, 6.0, color(colour_of(cursor)));
            if cursor.is_grey {
                draw_disc(dot, 4.0, color(BACKGROUND));
            }
            let name = if cursor.is_me {
                format!("{} (this window)", cursor.profile.name)
            } else {
                cursor.profile.name.clone()
            };
            self.text(&name, line + vec2(22.0, 0.0), SMALL_LETTERS, if cursor.is_grey { GREY } else { TEXT });
        }
    }

    fn draw_status(&self, field: &Field, now: Instant) {
        let line = vec2(MARGIN, screen_height() - 14.0);
        draw_disc(line + vec2(6.0, -5.0), 5.0, color(if field.is_joined() { GOOD } else { BAD }));
        self.text(&field.status(now), line + vec2(20.0, 0.0), SMALL_LETTERS, TEXT);
        let keys = "C cuts the connections";
        let start = screen_width() - LIST - MARGIN - self.width(keys, SMALL_LETTERS);
        self.text(keys, vec2(start, line.y), SMALL_LETTERS, GREY);
    }

    /// Draws text with its baseline beginning at this point. Text is sharp only at whole pixels.
    fn text(&self, text: &str, at: Vec2, size: u16, colour: Colour) {
        let params =
            TextParams { font: Some(&self.font), font_size: size, color: color(colour), ..TextParams::default() };
        draw_text_ex(text, at.x.round(), at.y.round(), params);
    }

    fn width(&self, text: &str, size: u16) -> f32 {
        measure_text(text, Some(&self.font), size, 1.0).width
    }
}

/// The upper left corner of the field, and its size.
fn field_area() -> (Vec2, Vec2) {
    let corner = vec2(MARGIN, MARGIN);
    let size = vec2(screen_width() - LIST - 2.0 * MARGIN, screen_height() - MARGIN - 36.0) - corner + vec2(MARGIN, 0.0);
    (corner, size.max(vec2(1.0, 1.0)))
}

fn on_screen(position: Position) -> Vec2 {
    let (corner, size) = field_area();
    corner + size * vec2(position.x, position.y)
}

fn draw_field() {
    let (corner, size) = field_area();
    draw_rectangle(corner.x, corner.y, size.x, size.y, color(FIELD));
    let (columns, rows) = ((size.x / GRID) as u16, (size.y / GRID) as u16);
    for column in 0..columns {
        for row in 0..rows {
            let dot = corner + GRID * (vec2(f32::from(column), f32::from(row)) + 0.7);
            draw_circle(dot.x, dot.y, 1.2, color(DOTS));
        }
    }
}

/// Draws a trail that becomes thinner and paler with its age.
fn draw_trail(cursor: &Cursor<'_>) {
    let own = color(colour_of(cursor));
    let length = cursor.trail.len() as f32;
    for (age, pair) in cursor.trail.windows(2).enumerate() {
        let left = 1.0 - age as f32 / length;
        let (from, to) = (on_screen(pair[0]), on_screen(pair[1]));
        draw_line(from.x, from.y, to.x, to.y, TRAIL * left, Color { a: 0.6 * left, ..own });
    }
}

fn draw_pointer(tip: Vec2, own: Colour) {
    let corners = POINTER.map(|corner| tip + corner);
    for (from, to) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        draw_line(from.x, from.y, to.x, to.y, 4.0, color(TEXT));
        draw_disc(*from, 2.0, color(TEXT));
    }
    draw_triangle(corners[0], corners[1], corners[2], color(own));
    draw_triangle(corners[0], corners[2], corners[3], color(own));
}

/// A rectangle with round ends.
fn draw_pill(corner: Vec2, size: Vec2, color: Color) {
    let radius = size.y / 2.0;
    draw_rectangle(corner.x + radius, corner.y, size.x - size.y, size.y, color);
    draw_disc(corner + vec2(radius, radius), radius, color);
    draw_disc(corner + vec2(size.x - radius, radius), radius, color);
}

/// Draws a disc, as a polygon with many corners.
fn draw_disc(centre: Vec2, radius: f32, color: Color) {
    draw_poly(centre.x, centre.y, 40, radius, 0.0, color);
}

fn colour_of(cursor: &Cursor<'_>) -> Colour {
    if cursor.is_grey { GREY } else { cursor.profile.colour }
}

fn color(Colour([red, green, blue]): Colour) -> Color {
    Color::from_rgba(red, green, blue, u8::MAX)
}
