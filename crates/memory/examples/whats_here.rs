//! Says what memory there is, which limit binds, and who holds most.
//!
//! `cargo run -p saferun-memory --example whats_here`

use saferun_memory::{
    Binding, Machine, PressureReader, ReadError, Roots, sanitised, session_use, show, top_holders,
};

fn main() -> Result<(), ReadError> {
    let roots = Roots::default();
    let reading = Machine::open(&roots)?.read()?;
    println!(
        "The machine has {}, of which {} are available.",
        show(reading.total_bytes),
        show(reading.available_bytes)
    );
    for group in &reading.groups {
        println!(
            "{} is limited to {} ({:?}) and uses {}, beside {} of file cache.",
            group.path.display(),
            show(group.limit_bytes),
            group.kind,
            show(group.used_bytes()),
            show(group.cache_bytes)
        );
    }
    let room = show(reading.room_bytes());
    match reading.binding() {
        Binding::Machine => println!("The machine itself leaves least room: {room}."),
        Binding::Group(place) => {
            let path = reading.groups[place].path.display();
            println!("{path} leaves least room: {room}.");
        }
    }
    if let Some(pressure) = PressureReader::machine(&roots)?
        .map(|reader| reader.read())
        .transpose()?
        .flatten()
    {
        println!(
            "Work stands still for memory {} % of the time.",
            pressure.some.avg10
        );
    }
    let session = session_use(&roots)?;
    println!(
        "This session holds {} in {} processes.",
        show(session.bytes),
        session.processes
    );
    println!("Most is held by:");
    for holder in top_holders(5)? {
        println!(
            "{:>10}  {} ({})",
            show(holder.rss_bytes),
            sanitised(&holder.name),
            holder.pid
        );
    }
    Ok(())
}
