//! The picture for the README: bars, drawn as SVG.

use crate::{
    callback::Size,
    measured::{CPU, Measured, Metric, PEAK, START},
    subject::FUNCTION,
    table::short,
    world::Transport,
};

/// What is drawn: a title, a figure, and the size of the callbacks.
const PANELS: [(&str, Metric, Option<Size>); 4] = [
    ("Start to first poll", START, None),
    ("CPU per callback of 2 kB", CPU, Some(Size::Kb2)),
    ("CPU per callback of 1 MB", CPU, Some(Size::Mb1)),
    ("Peak memory, callbacks of 2 kB", PEAK, Some(Size::Kb2)),
];

/// All lengths in pixels.
const WIDTH: usize = 860;
const PANEL_WIDTH: usize = WIDTH / 2;
const TITLE_HEIGHT: usize = 42;
const ROW_HEIGHT: usize = 24;
const NAMES_WIDTH: usize = 82;
const LONGEST_BAR: f64 = 230.0;

/// Draws the figures over TLS, as production has it, or else over what was measured.
pub fn draw(measured: &Measured) -> String {
    let transports = measured.transports();
    let is_tls = transports.contains(&Transport::Tls);
    let transport = transports.into_iter().find(|transport| !is_tls || *transport == Transport::Tls);
    let panel_height = TITLE_HEIGHT + ROW_HEIGHT * measured.subjects.len() + 14;
    let height = 2 * panel_height + 8;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"8\" fill=\"#fff\"/>\n"
    );
    for (place, (title, metric, size)) in PANELS.iter().enumerate() {
        let Some(transport) = transport else { continue };
        let (x, y) = (16 + place % 2 * PANEL_WIDTH, place / 2 * panel_height);
        svg += &format!(
            "<text x=\"{x}\" y=\"{}\" font-weight=\"600\" fill=\"#1f2328\">{title}, {}</text>\n",
            y + 28,
            metric.unit
        );
        let values: Vec<_> = measured
            .subjects
            .iter()
            .filter_map(|subject| Some((subject, measured.figure(metric, subject, transport, *size)?)))
            .collect();
        let most = values.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (row, (subject, value)) in values.into_iter().enumerate() {
            let (top, bar) = (y + TITLE_HEIGHT + row * ROW_HEIGHT, (value / most * LONGEST_BAR).max(1.5));
            let (colour, weight) = if subject == FUNCTION { ("#0969da", "600") } else { ("#afb8c1", "400") };
            let (bar_x, baseline) = (x + NAMES_WIDTH, top + 13);
            svg += &format!(
                "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"end\" font-weight=\"{weight}\" fill=\"#1f2328\">{subject}</text>\
                 <rect x=\"{bar_x}\" y=\"{top}\" width=\"{bar:.1}\" height=\"17\" rx=\"2\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{baseline}\" font-weight=\"{weight}\" fill=\"#1f2328\">{}</text>\n",
                bar_x - 8,
                bar_x as f64 + bar + 6.0,
                short(value)
            );
        }
    }
    svg + "</svg>\n"
}
