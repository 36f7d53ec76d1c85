//! What the kinds of entities have, by the options of their announcements
//! (<https://www.home-assistant.io/integrations/mqtt/>, one page for each).

use serde_json::Value as Json;
use smol_str::SmolStr;
use thingway_sdk::Value;

use super::config::Config;
use super::entity::{Builder, Entity, Trigger, Ways, Words};
use super::template::Template;
use crate::mapping::convention::units::senml;
use crate::mapping::{PayloadTemplate, PropertyRule};

/// What an entity of this component has; `None` for components that nothing is known of.
pub(super) fn describe(component: &str, config: &Config) -> Option<Entity> {
    let mut builder = Builder::new(config, component);
    let it = &mut builder;
    match component {
        "sensor" => sensor(it),
        "binary_sensor" => {
            let ways = Ways { command: None, payload: None, ..it.ways("") };
            let words = it.words(["payload_on", "", "ON"], ["payload_off", "", "OFF"]);
            it.switch("", ways, &words);
        }
        "switch" => on_off(it, ""),
        "siren" => {
            let mut ways = it.ways("");
            ways.template.get_or_insert_with(|| Template::Either("state".into()));
            let plain = || PayloadTemplate::from(r#"{"state":{value}}"#.to_owned());
            ways.payload.get_or_insert_with(plain);
            it.property("", ways, two_words(&state_words(it).said));
        }
        "light" => match config.text("schema").as_deref() {
            Some("json") => json_light(it),
            None | Some("basic" | "default") => light(it),
            Some(_) => return None,
        },
        "number" => {
            let ways = it.ways("");
            let rule = number(config, ["min", "max", "step"], [Some(1.0), Some(100.0), Some(1.0)]);
            it.property("", ways, PropertyRule { unit: unit(config), ..rule });
        }
        "select" => {
            let ways = it.ways("");
            it.property("", ways, choice(config, "options", &[]));
        }
        "text" => {
            let ways = it.ways("");
            it.property("", ways, typed("string"));
        }
        "button" => it.action("", "payload_press", Some("PRESS")),
        "scene" => it.action("", "payload_on", Some("ON")),
        "cover" => cover(it),
        "valve" => valve(it),
        "fan" => fan(it),
        "lock" => {
            let words = Words {
                said: it
                    .words(["state_locked", "", "LOCKED"], ["state_unlocked", "", "UNLOCKED"])
                    .said,
                sent: it.words(["payload_lock", "", "LOCK"], ["payload_unlock", "", "UNLOCK"]).sent,
            };
            let ways = it.ways("");
            it.switch("", ways, &words);
            it.action("open", "payload_open", None);
        }
        "climate" | "water_heater" => climate(it),
        "humidifier" => humidifier(it),
        "event" => {
            let ways = it.ways("");
            let template = ways.template.unwrap_or(Template::Whole);
            it.entity.events.extend(ways.state.map(|topic| Trigger {
                event: None,
                topic,
                template,
                payload: None,
                data: None,
            }));
        }
        "update" => update(it),
        "device_tracker" => {
            let ways = Ways { command: None, payload: None, ..it.ways("") };
            it.property("", ways, typed("string"));
        }
        "device_automation" => automation(it),
        _ => return None,
    }
    Some(builder.entity)
}

fn sensor(it: &mut Builder<'_>) {
    let config = it.config;
    let ways = Ways { command: None, payload: None, ..it.ways("") };
    let unit = unit(config);
    let is_number = unit.is_some() || config.get("state_class").is_some();
    let mut rule = PropertyRule { unit, ..choice(config, "options", &[]) };
    if is_number {
        rule.data_type = Some("number".to_owned());
    }
    it.property("", ways, rule);
}

fn on_off(it: &mut Builder<'_>, suffix: &'static str) {
    let ways = it.ways("");
    let words = state_words(it);
    it.switch(suffix, ways, &words);
}

fn state_words(it: &Builder<'_>) -> Words {
    it.words(["payload_on", "state_on", "ON"], ["payload_off", "state_off", "OFF"])
}

fn light(it: &mut Builder<'_>) {
    let config = it.config;
    on_off(it, "state");
    let brightness = it.ways("brightness");
    it.property("brightness", brightness, brightness_rule(config));
    let color_temp = it.ways("color_temp");
    it.property("color_temp", color_temp, color_temp_rule(config));
    let effect = it.ways("effect");
    it.property("effect", effect, choice(config, "effect_list", &[]));
    for name in ["rgb", "hs", "xy"] {
        let ways = it.ways(name);
        it.property(name, ways, typed("string"));
    }
}

/// A light whose topics carry one JSON object with all of its properties.
fn json_light(it: &mut Builder<'_>) {
    let config = it.config;
    let mut member = |name: &'static str, rule: PropertyRule| {
        let ways = Ways {
            state: config.text("state_topic"),
            template: Some(Template::member(name)),
            command: config.text("command_topic"),
            payload: Some(PayloadTemplate::from(format!(r#"{{"{name}":{{value}}}}"#))),
        };
        it.property(name, ways, rule);
    };
    let modes = config.list("supported_color_modes").unwrap_or_default();
    let has = |mode: &str| modes.iter().any(|other| other == mode);
    member("state", two_words(&["ON".into(), "OFF".into()]));
    if config.boolean("brightness") == Some(true) || modes.iter().any(|mode| mode != "onoff") {
        member("brightness", brightness_rule(config));
    }
    if has("color_temp") {
        member("color_temp", color_temp_rule(config));
    }
    if ["hs", "rgb", "rgbw", "rgbww", "xy"].into_iter().any(has) {
        member("color", typed("object"));
    }
    if config.boolean("effect") == Some(true) {
        member("effect", choice(config, "effect_list", &[]));
    }
}

fn brightness_rule(config: &Config) -> PropertyRule {
    let maximum = config.number("brightness_scale").or(Some(255.0));
    PropertyRule { minimum: Some(0.0), maximum, ..typed("number") }
}

fn color_temp_rule(config: &Config) -> PropertyRule {
    if config.boolean("color_temp_kelvin") == Some(true) {
        let rule =
            number(config, ["min_kelvin", "max_kelvin", ""], [Some(2000.0), Some(6535.0), None]);
        return PropertyRule { unit: Some("K".to_owned()), ..rule };
    }
    let rule = number(config, ["min_mireds", "max_mireds", ""], [Some(153.0), Some(500.0), None]);
    PropertyRule { unit: Some("mired".to_owned()), ..rule }
}

fn cover(it: &mut Builder<'_>) {
    let config = it.config;
    let state = Ways { command: None, payload: None, ..it.ways("") };
    it.property("state", state, typed("string"));
    let mut position = it.ways("position");
    position.command = config.text("set_position_topic");
    let template = config.text("set_position_template");
    position.payload = template.and_then(|source| it.command_template(&source));
    let ends = ["position_closed", "position_open", ""];
    it.property("position", position, number(config, ends, [Some(0.0), Some(100.0), None]));
    let tilt = it.ways("tilt");
    let ends = ["tilt_min", "tilt_max", ""];
    it.property("tilt", tilt, number(config, ends, [Some(0.0), Some(100.0), None]));
    it.action("open", "payload_open", Some("OPEN"));
    it.action("close", "payload_close", Some("CLOSE"));
    it.action("stop", "payload_stop", Some("STOP"));
}

fn valve(it: &mut Builder<'_>) {
    let config = it.config;
    let mut ways = it.ways("");
    if config.boolean("reports_position") == Some(true) {
        ways.template.get_or_insert_with(|| Template::Either("position".into()));
        let ends = ["position_closed", "position_open", ""];
        it.property("position", ways, number(config, ends, [Some(0.0), Some(100.0), None]));
    } else {
        ways.template.get_or_insert_with(|| Template::Either("state".into()));
        let state = Ways { command: None, payload: None, ..ways };
        it.property("state", state, typed("string"));
        it.action("open", "payload_open", Some("OPEN"));
        it.action("close", "payload_close", Some("CLOSE"));
    }
    it.action("stop", "payload_stop", None);
}

fn fan(it: &mut Builder<'_>) {
    let config = it.config;
    on_off(it, "state");
    // Steps of the device's own are not percent: they are shown as what they are.
    let (least, most) = (config.number("speed_range_min"), config.number("speed_range_max"));
    let is_percent = least.unwrap_or(1.0) == 1.0 && most.unwrap_or(100.0) == 100.0;
    let rule =
        PropertyRule { minimum: Some(0.0), maximum: most.or(Some(100.0)), ..typed("number") };
    let ways = it.ways("percentage");
    match is_percent {
        true => it.property("percentage", ways, PropertyRule { unit: Some("%".into()), ..rule }),
        false => it.property("speed", ways, rule),
    }
    let preset = it.ways("preset_mode");
    it.property("preset_mode", preset, choice(config, "preset_modes", &[]));
    let oscillation = it.ways("oscillation");
    let words = it.words(
        ["payload_oscillation_on", "", "oscillate_on"],
        ["payload_oscillation_off", "", "oscillate_off"],
    );
    it.switch("oscillation", oscillation, &words);
    let direction = it.ways("direction");
    it.property("direction", direction, typed("string"));
}

fn climate(it: &mut Builder<'_>) {
    let config = it.config;
    let mode = it.ways("mode");
    let modes = ["auto", "off", "cool", "heat", "dry", "fan_only"];
    it.property("mode", mode, choice(config, "modes", &modes));
    let is_fahrenheit = config.text("temperature_unit").as_deref() == Some("F");
    let unit = Some(if is_fahrenheit { "°F" } else { "Cel" }.to_owned());
    let setpoint = || {
        let rule = number(config, ["min_temp", "max_temp", "temp_step"], [None; 3]);
        PropertyRule { unit: unit.clone(), ..rule }
    };
    for name in ["temperature", "temperature_high", "temperature_low"] {
        let ways = it.ways(name);
        it.property(name, ways, setpoint());
    }
    let current = it.ways("current_temperature");
    it.property(
        "current_temperature",
        current,
        PropertyRule { unit: unit.clone(), ..typed("number") },
    );
    humidity(it);
    for (name, modes) in
        [("fan_mode", "fan_modes"), ("swing_mode", "swing_modes"), ("preset_mode", "preset_modes")]
    {
        let ways = it.ways(name);
        it.property(name, ways, choice(config, modes, &[]));
    }
    let action = it.ways("action");
    it.property("action", action, typed("string"));
}

fn humidifier(it: &mut Builder<'_>) {
    let config = it.config;
    on_off(it, "state");
    humidity(it);
    let mode = it.ways("mode");
    it.property("mode", mode, choice(config, "modes", &[]));
    let action = it.ways("action");
    it.property("action", action, typed("string"));
}

fn humidity(it: &mut Builder<'_>) {
    let relative = |rule| PropertyRule { unit: Some("%RH".to_owned()), ..rule };
    let target = it.ways("target_humidity");
    let ends = ["min_humidity", "max_humidity", ""];
    let rule = number(it.config, ends, [Some(0.0), Some(100.0), None]);
    it.property("target_humidity", target, relative(rule));
    let current = it.ways("current_humidity");
    it.property("current_humidity", current, relative(typed("number")));
}

fn update(it: &mut Builder<'_>) {
    let state = it.config.text("state_topic");
    let installed =
        it.ways("").template.unwrap_or_else(|| Template::Either("installed_version".into()));
    let ways = |state, template| Ways { state, template: Some(template), ..Ways::default() };
    it.property("installed_version", ways(state.clone(), installed), typed("string"));
    let latest = it.ways("latest_version");
    let latest = match latest.state {
        Some(topic) => ways(Some(topic), latest.template.unwrap_or(Template::Whole)),
        None => ways(state, Template::member("latest_version")),
    };
    it.property("latest_version", latest, typed("string"));
    it.action("install", "payload_install", None);
}

/// A trigger: a button that was pressed, of a device that has no states to tell of it.
fn automation(it: &mut Builder<'_>) {
    let config = it.config;
    let Some(topic) = config.text("topic") else {
        it.entity.problems.push("a trigger needs a `topic`".to_owned());
        return;
    };
    let template = match config.text("value_template") {
        Some(source) => match it.template(&source) {
            Some(template) => template,
            None => return,
        },
        None => Template::Whole,
    };
    it.entity.events.push(Trigger {
        event: config.text("type"),
        topic,
        template,
        payload: config.text("payload"),
        data: config.text("subtype").map(Value::Text),
    });
}

fn typed(data_type: &str) -> PropertyRule {
    PropertyRule { data_type: Some(data_type.to_owned()), ..PropertyRule::default() }
}

fn two_words(said: &[SmolStr; 2]) -> PropertyRule {
    let [on, off] = said.each_ref().map(|word| Some(Json::from(word.as_str())));
    PropertyRule { on, off, ..PropertyRule::default() }
}

/// A number between two options, in steps of a third; with what holds where they are left out.
fn number(config: &Config, options: [&str; 3], defaults: [Option<f64>; 3]) -> PropertyRule {
    let [one, other, step] = [0, 1, 2].map(|at| config.number(options[at]).or(defaults[at]));
    // Covers may count backwards.
    let (minimum, maximum) = match (one, other) {
        (Some(one), Some(other)) if one > other => (Some(other), Some(one)),
        ends => ends,
    };
    // Steps are counted from the minimum there, and from zero here.
    let fits =
        |step: &f64| *step > 0.0 && minimum.is_none_or(|least| (least / step).fract() == 0.0);
    PropertyRule { minimum, maximum, multiple_of: step.filter(fits), ..typed("number") }
}

/// One of a list of texts.
fn choice(config: &Config, option: &str, defaults: &[&str]) -> PropertyRule {
    let listed = config.list(option).filter(|list| !list.is_empty());
    let listed = listed.map(|list| list.iter().map(|text| text.as_str().into()).collect());
    let default = || Some(defaults.iter().map(|text| Json::from(*text)).collect::<Vec<_>>());
    let allowed = listed.or_else(|| default().filter(|list| !list.is_empty()));
    PropertyRule { allowed, ..PropertyRule::default() }
}

/// The unit of measurement, as a SenML symbol where there is one.
fn unit(config: &Config) -> Option<String> {
    let text = config.text("unit_of_measurement")?;
    let is_humidity = config.text("device_class").as_deref() == Some("humidity");
    let symbol = match senml(&text) {
        Some("%") if is_humidity => Some("%RH"),
        symbol => symbol,
    };
    Some(symbol.unwrap_or(&text).to_owned())
}
