use super::*;

const MIB: u64 = 1 << 20;

const LIMIT: u64 = 600 * MIB;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn sample(slot: usize, mib: u64, champion: bool) -> SlotSample {
    SlotSample {
        slot: SlotId(slot),
        use_bytes: mib * MIB,
        champion,
        off_limits: false,
    }
}

fn read(brake: &mut Brake, ms: u64, samples: &[SlotSample], full: bool) -> Vec<BrakeAction> {
    let used = samples.iter().map(|s| s.use_bytes).sum();
    let mut actions = Vec::new();
    brake.on_reading(at(ms), used, LIMIT, full, samples, &mut actions);
    actions
}

#[test]
fn what_grew_lately_is_held_and_what_rests_is_not() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    read(
        &mut brake,
        0,
        &[
            sample(0, 100, true),
            sample(1, 200, false),
            sample(2, 200, false),
        ],
        false,
    );
    read(
        &mut brake,
        60,
        &[
            sample(0, 110, true),
            sample(1, 240, false),
            sample(2, 200, false),
        ],
        false,
    );
    let actions = read(
        &mut brake,
        70,
        &[
            sample(0, 112, true),
            sample(1, 281, false),
            sample(2, 200, false),
        ],
        false,
    );
    assert_eq!(actions, [BrakeAction::Hold(SlotId(1))]);
    assert!(brake.is_engaged());
}

#[test]
fn the_champion_is_held_last_and_let_go_first() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    read(
        &mut brake,
        0,
        &[sample(0, 300, true), sample(1, 290, false)],
        false,
    );
    let actions = read(
        &mut brake,
        5,
        &[sample(0, 301, true), sample(1, 292, false)],
        false,
    );
    assert_eq!(actions, [BrakeAction::Hold(SlotId(1))]);
    // Still rising and the wall is near: now the champion too.
    let actions = read(
        &mut brake,
        10,
        &[sample(0, 307, true), sample(1, 292, false)],
        false,
    );
    assert_eq!(actions, [BrakeAction::Hold(SlotId(0))]);
    // A little room: the champion goes first, and alone when it takes what there is.
    let actions = read(
        &mut brake,
        20,
        &[sample(0, 307, true), sample(1, 280, false)],
        false,
    );
    assert_eq!(actions[0], BrakeAction::Release(SlotId(0)));
}

#[test]
fn a_lone_task_is_never_held() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    for (ms, mib) in [(0, 100), (5, 400), (10, 595), (15, 600)] {
        assert_eq!(read(&mut brake, ms, &[sample(3, mib, true)], ms == 15), []);
    }
}

#[test]
fn what_was_held_is_let_go_when_it_is_left_alone() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    read(
        &mut brake,
        0,
        &[sample(0, 300, true), sample(1, 280, false)],
        false,
    );
    read(
        &mut brake,
        5,
        &[sample(0, 305, true), sample(1, 290, false)],
        false,
    );
    assert!(brake.holds(SlotId(1)));
    assert_eq!(
        read(&mut brake, 10, &[sample(1, 590, true)], false),
        [BrakeAction::Release(SlotId(1))]
    );
}

#[test]
fn a_probe_that_grows_is_held_again_and_waits_longer() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    read(
        &mut brake,
        0,
        &[sample(0, 300, true), sample(1, 290, false)],
        false,
    );
    read(
        &mut brake,
        5,
        &[sample(0, 300, true), sample(1, 293, false)],
        false,
    );
    assert!(brake.holds(SlotId(1)));
    // After its first wait it is probed.
    let actions = read(
        &mut brake,
        50,
        &[sample(0, 300, true), sample(1, 293, false)],
        false,
    );
    assert_eq!(actions, [BrakeAction::Release(SlotId(1))]);
    let actions = read(
        &mut brake,
        55,
        &[sample(0, 300, true), sample(1, 294, false)],
        false,
    );
    assert_eq!(actions, [BrakeAction::Hold(SlotId(1))]);
    // 80 ms now, not 40.
    assert_eq!(
        read(
            &mut brake,
            100,
            &[sample(0, 300, true), sample(1, 294, false)],
            false
        ),
        []
    );
    let actions = read(
        &mut brake,
        140,
        &[sample(0, 300, true), sample(1, 294, false)],
        false,
    );
    assert_eq!(actions, [BrakeAction::Release(SlotId(1))]);
    // It rests now, so it stays free.
    for ms in [145, 150, 165, 170, 200] {
        assert_eq!(
            read(
                &mut brake,
                ms,
                &[sample(0, 300, true), sample(1, 294, false)],
                false
            ),
            []
        );
    }
    assert!(!brake.holds(SlotId(1)));
}

#[test]
fn a_burst_widens_the_margin() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    assert_eq!(brake.margin_bytes(), 8 * MIB);
    read(
        &mut brake,
        0,
        &[sample(0, 300, true), sample(1, 280, false)],
        false,
    );
    read(
        &mut brake,
        5,
        &[sample(0, 300, true), sample(1, 298, false)],
        false,
    );
    assert_eq!(brake.margin_bytes(), 24 * MIB);
}

#[test]
fn what_is_held_just_below_the_threshold_is_let_go_one_by_one() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    let samples = [sample(0, 300, true), sample(1, 290, false)];
    let mut grown = samples;
    grown[0].use_bytes += 9 * MIB;
    read(&mut brake, 0, &samples, false);
    read(&mut brake, 5, &grown, false);
    assert!(brake.holds(SlotId(0)) && brake.holds(SlotId(1)));
    // Something was given back, but less than anybody is let go for.
    grown[1].use_bytes -= 8 * MIB;
    grown[0].use_bytes += 3 * MIB / 4;
    brake.burst = false;
    let actions = read(&mut brake, 100, &grown, false);
    assert_eq!(actions, [BrakeAction::Release(SlotId(0))]);
}

#[test]
fn what_is_off_limits_is_left_alone() {
    let mut brake = Brake::new(BrakeParams::hard_limit());
    let mut frozen = sample(1, 295, false);
    frozen.off_limits = true;
    read(&mut brake, 0, &[sample(0, 290, true), frozen], false);
    let actions = read(&mut brake, 5, &[sample(0, 304, true), frozen], true);
    assert!(!actions.contains(&BrakeAction::Hold(SlotId(1))));
}
