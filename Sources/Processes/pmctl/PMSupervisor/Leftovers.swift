internal import PMSystem

/// Which processes run, written down for the next supervisor: without a cgroup, a supervisor that
/// was killed leaves the vendor behind, and draining children that still hold ports and ledger.
struct Leftovers {
  private let path: String
  /// One line per process, and there are few.
  private static let fileBytesMax = 64 * 1024
  /// From SIGKILL to the end of a process that is not in an uninterruptible call.
  private static let endMillisecondsMax: UInt64 = 2000

  init(path: String) { self.path = path }

  func write(_ pids: [Int32]) {
    let lines = pids.compactMap { pid in
      OwnProcess.startTime(of: pid).map { "\(pid) \($0)\n" }
    }
    // Without the list the next start may have to wait for a port; nothing worse.
    try? FileIO.replace(path, with: Array(lines.joined().utf8), mode: 0o600)
  }

  /// Kills what an earlier supervisor left. A pid alone would not do: it may be another's by now.
  func end() {
    guard let bytes = try? FileIO.read(path, bytesMax: Self.fileBytesMax) else { return }
    var ended: [(pid: Int32, start: UInt64)] = []
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, let pid = Int32(words[0]), pid > 1, let start = UInt64(words[1]),
        OwnProcess.startTime(of: pid) == start
      else { continue }
      OwnProcess.killGroup(pid)
      ended.append((pid, start))
    }
    let deadline = Instant.now().adding(milliseconds: Self.endMillisecondsMax)
    while Instant.now() < deadline,
      ended.contains(where: { OwnProcess.startTime(of: $0.pid) == $0.start })
    {
      OwnProcess.pause(milliseconds: 5)
    }
  }
}
