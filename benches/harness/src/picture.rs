//! Draws the picture for the README as SVG: a dot for each subject on a logarithmic scale, because the figures differ
//! by factors of hundreds.

use crate::{
    backend::Transport,
    callback::Size,
    measured::{CPU, FIRST, Measured, Metric, PEAK, START},
    subject::FUNCTION,
    table::short,
};

/// The panels: title, figure, transport, and size of the callbacks.
const PANELS: [(&str, Metric, Transport, Option<Size>); 6] = [
    ("Start to first poll, TLS", START, Transport::Tls, None),
    ("First callback, AWS 5 ms away", FIRST, Transport::Slow, Some(Size::Kb2)),
    ("CPU per callback of 2 kB, TLS", CPU, Transport::Tls, Some(Size::Kb2)),
    ("CPU per callback of 1 MB, TLS", CPU, Transport::Tls, Some(Size::Mb1)),
    ("Peak memory, callbacks of 2 kB, TLS", PEAK, Transport::Tls, Some(Size::Kb2)),
    ("Peak memory, callbacks of 5 MB, TLS", PEAK, Transport::Tls, Some(Size::Mb5)),
];

/// All lengths in pixels.
const WIDTH: f64 = 860.0;
const PANEL_WIDTH: f64 = WIDTH / 2.0;
const MARGIN: f64 = 20.0;
const TITLE_HEIGHT: f64 = 40.0;
const ROW_HEIGHT: f64 = 22.0;
const SCALE_HEIGHT: f64 = 34.0;
const NAMES_WIDTH: f64 = 76.0;
/// The width of a number beside the last dot.
const NUMBER_WIDTH: f64 = 60.0;
const SCALE_WIDTH: f64 = PANEL_WIDTH - 2.0 * MARGIN - NAMES_WIDTH - NUMBER_WIDTH;

/// The picture has its own background, so that it is readable on any page.
const STYLE: &str = "\
.ground{fill:#fff;stroke:#d1d9e0}.text{fill:#1f2328}.faint{fill:#59636e}.line{stroke:#d1d9e0}.track{stroke:#eaeef2}\
.dot{fill:#818b98}.own{fill:#0969da;font-weight:600}\
@media(prefers-color-scheme:dark){.ground{fill:#0d1117;stroke:#3d444d}.text{fill:#f0f6fc}.faint{fill:#9198a1}\
.line{stroke:#3d444d}.track{stroke:#21262d}.dot{fill:#9198a1}.own{fill:#4493f8}}";

/// Draws the panels that were measured.
pub fn draw(measured: &Measured) -> String {
    let panels: Vec<String> = PANELS
        .iter()
        .filter_map(|(title, metric, transport, size)| {
            let values: Vec<_> = measured
                .subjects
                .iter()
                .filter_map(|subject| Some((subject.as_str(), measured.figure(metric, subject, *transport, *size)?)))
                .collect();
            (!values.is_empty()).then(|| panel(&format!("{title}, {}", metric.unit), &values))
        })
        .collect();
    let panel_height = TITLE_HEIGHT + ROW_HEIGHT * measured.subjects.len() as f64 + SCALE_HEIGHT;
    let height = panel_height * panels.len().div_ceil(2) as f64 + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    for (place, panel) in panels.iter().enumerate() {
        let (x, y) = ((place % 2) as f64 * PANEL_WIDTH + MARGIN, (place / 2) as f64 * panel_height);
        svg += &format!("<g transform=\"translate({x} {y})\">\n{panel}</g>\n");
    }
    svg + "</svg>\n"
}

fn panel(title: &str, values: &[(&str, f64)]) -> String {
    let power = |of: fn(f64, f64) -> f64, start: f64| values.iter().map(|(_, value)| value.log10()).fold(start, of);
    // The scale covers whole powers of ten, at least one.
    let first = power(f64::min, f64::INFINITY).floor();
    let last = power(f64::max, f64::NEG_INFINITY).ceil().max(first + 1.0);
    let place = |power: f64| NAMES_WIDTH + (power - first) / (last - first) * SCALE_WIDTH;
    let bottom = TITLE_HEIGHT + ROW_HEIGHT * values.len() as f64;

    let mut svg = format!("<text class=\"text\" y=\"27\" font-weight=\"600\">{title}</text>\n");
    for step in 0..=(last - first) as u32 {
        let power = first + f64::from(step);
        let x = place(power);
        svg += &format!(
            "<path class=\"line\" d=\"M{x:.1} {TITLE_HEIGHT}V{bottom}\"/>\
             <text class=\"faint\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{}</text>\n",
            bottom + 15.0,
            10_f64.powf(power)
        );
    }
    for (row, (subject, value)) in values.iter().enumerate() {
        let y = TITLE_HEIGHT + ROW_HEIGHT * (row as f64 + 0.5);
        let x = place(value.log10());
        let [text, dot] = if *subject == FUNCTION { ["own", "own"] } else { ["text", "dot"] };
        svg += &format!(
            "<text class=\"{text}\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{subject}</text>\
             <path class=\"track\" stroke-width=\"2\" d=\"M{NAMES_WIDTH} {y}H{x:.1}\"/>\
             <circle class=\"{dot}\" cx=\"{x:.1}\" cy=\"{y}\" r=\"5\"/>\
             <text class=\"{text}\" x=\"{:.1}\" y=\"{}\">{}</text>\n",
            NAMES_WIDTH - 10.0,
            y + 4.5,
            x + 10.0,
            y + 4.5,
            short(*value)
        );
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::tests::sample;

    #[test]
    fn a_panel_has_every_subject_and_one_without_figures_is_left_out() {
        let mut measured = Measured::new(vec![FUNCTION.to_owned(), "other".to_owned()]);
        for (subject, value) in [(FUNCTION, 0.5), ("other", 400.0)] {
            measured.add(subject, Transport::Tls, Size::Kb2, sample(value, vec![value]));
        }
        let svg = draw(&measured);
        assert_eq!((svg.matches("<g ").count(), svg.matches("<circle").count()), (3, 6));
        assert!([">0.1<", ">1000<", ">0.500<", ">400<"].iter().all(|label| svg.contains(label)), "{svg}");
    }
}
