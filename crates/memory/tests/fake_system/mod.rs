//! A system made of files in a temporary directory.

#![allow(dead_code, reason = "each test binary uses another part of it")]

use std::fs;
use std::path::PathBuf;

use saferun_memory::Roots;
use tempfile::TempDir;

pub(crate) const MEMINFO: &str = "MemTotal:       8388608 kB\nMemFree:        1048576 kB\n\
    MemAvailable:   4194304 kB\nBuffers:          10240 kB\nCached:         3145728 kB\n\
    Shmem:            65536 kB\nSwapTotal:      2097152 kB\nSwapFree:       1048576 kB\n";

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;

pub(crate) struct FakeSystem {
    dir: TempDir,
}

impl FakeSystem {
    /// With 8 GiB, 4 of them available, and no control groups.
    pub(crate) fn new() -> Self {
        let system = Self {
            dir: TempDir::new().expect("a temporary directory"),
        };
        system.write("proc/meminfo", MEMINFO);
        system
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::below(self.dir.path())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        let parent = path.parent().expect("below the directory");
        fs::create_dir_all(parent).expect("directories can be made");
        fs::write(path, text).expect("files can be written");
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("it was there");
    }

    /// What `/proc/self/cgroup` and `/proc/self/mountinfo` say.
    pub(crate) fn membership(&self, cgroup: &str, mounts: &[&str]) {
        self.write("proc/self/cgroup", cgroup);
        let mut text = String::from("22 27 0:21 / /proc rw,relatime - proc proc rw\n");
        for (number, mount) in mounts.iter().enumerate() {
            text.push_str(&format!("{} 22 0:{number} {mount}\n", 30 + number));
        }
        self.write("proc/self/mountinfo", text);
    }

    pub(crate) fn v1_group(&self, dir: &str, limit: &str, usage: u64, cache: u64) {
        self.write(
            &format!("{dir}/memory.limit_in_bytes"),
            format!("{limit}\n"),
        );
        self.write(
            &format!("{dir}/memory.usage_in_bytes"),
            format!("{usage}\n"),
        );
        self.write(&format!("{dir}/memory.max_usage_in_bytes"), "77\n");
        self.write(
            &format!("{dir}/memory.oom_control"),
            "oom_kill_disable 1\nunder_oom 0\noom_kill 3\n",
        );
        self.v1_stat(dir, cache, "9223372036854771712");
    }

    pub(crate) fn v1_stat(&self, dir: &str, cache: u64, hierarchical: &str) {
        // The plain fields differ from the total ones on purpose.
        self.write(
            &format!("{dir}/memory.stat"),
            format!(
                "cache 1\nshmem 4096\ninactive_file 1\nactive_file 1\n\
                 hierarchical_memory_limit {hierarchical}\ntotal_cache 999999999\n\
                 total_inactive_file {}\ntotal_active_file {}\n",
                cache / 4,
                cache - cache / 4
            ),
        );
    }

    pub(crate) fn v2_group(&self, dir: &str, high: &str, max: &str, usage: u64, cache: u64) {
        self.write(&format!("{dir}/memory.high"), format!("{high}\n"));
        self.write(&format!("{dir}/memory.max"), format!("{max}\n"));
        self.write(&format!("{dir}/memory.current"), format!("{usage}\n"));
        self.write(
            &format!("{dir}/memory.events"),
            "low 0\nhigh 5\nmax 4\noom 2\noom_kill 1\n",
        );
        self.write(
            &format!("{dir}/memory.stat"),
            format!("anon 5\nfile 999999999\nshmem 4096\ninactive_file {cache}\nactive_file 0\n"),
        );
    }

    /// A process whose memory is `pages` anonymous pages and 10 of files.
    pub(crate) fn process(&self, pid: u32, parent: u32, session: u32, pages: u64) {
        self.write(
            &format!("proc/{pid}/stat"),
            format!(
                "{pid} (a) b) S {parent} {pid} {session} 0 -1 0 0 0 0 0 10 20 30 40 20 0 1 0 {} 0 0\n",
                1000 + pid
            ),
        );
        self.write(
            &format!("proc/{pid}/statm"),
            format!("999 {} 10 0 0 0 0\n", pages + 10),
        );
        self.write(
            &format!("proc/{pid}/status"),
            "Name:\tx\nRssAnon:\t 0 kB\nRssShmem:\t 2048 kB\n",
        );
        self.write(&format!("proc/{pid}/environ"), "HOME=/\0");
        self.write(&format!("proc/{pid}/task/{pid}/children"), "");
    }

    pub(crate) fn end_process(&self, pid: u32) {
        fs::remove_dir_all(self.path(&format!("proc/{pid}"))).expect("it was there");
    }

    pub(crate) fn children(&self, pid: u32, children: &str) {
        self.write(&format!("proc/{pid}/task/{pid}/children"), children);
    }

    /// As a kernel that lists children.
    pub(crate) fn lists_children(&self) {
        self.write("proc/thread-self/children", "");
    }
}

pub(crate) fn page() -> u64 {
    rustix::param::page_size() as u64
}
