//! The gateway from outside: the real binary, real brokers, real sockets.
//!
//! One crate, so that it is linked once; each file says in its name what it proves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod support;

mod a_configuration_is_taken_over_while_all_runs;
mod a_dead_broker_ends_nothing;
mod a_message_becomes_a_resource;
mod a_slow_reader_waits_alone;
mod actions_are_invoked_and_answered;
mod any_message_is_survived;
mod coap_clients_read_write_and_observe;
mod coap_devices_become_things;
mod coap_endpoints_register_and_are_observed;
mod coap_keeps_strangers_out;
mod devices_of_conventions_become_things;
mod discovery_finds_coap_devices;
mod every_td_is_valid;
mod foreign_pages_change_nothing;
mod garbage_never_becomes_a_value_in_silence;
mod home_assistant_discovery_becomes_things;
mod init_suggests_rules;
mod limits_hold_against_a_flood;
mod one_websocket_carries_many_things;
mod other_makers_clients_understand;
mod plain_reads_are_answered_as_the_router_would;
mod problem_documents_everywhere;
mod protocol_events_are_counted;
mod races_leave_nothing_behind;
mod representations_and_conditional_requests;
mod resources_are_as_their_protocol_names_them;
mod rules_take_payloads_apart;
mod senml_and_cbor_become_properties;
mod sparkplug_nodes_become_things;
mod state_records_filter_and_page;
mod streams_resume_without_a_seam;
mod tasmota_and_shelly_become_things;
mod the_demo_joins_mqtt_and_coap;
mod the_directory_keeps_wot_discovery;
mod the_gateway_ends_cleanly_under_load;
mod webhooks_are_signed_retried_and_isolated;
mod webhooks_trust_the_systems_authorities;
mod writes_reach_the_device_and_come_back;
mod zigbee2mqtt_becomes_things;
