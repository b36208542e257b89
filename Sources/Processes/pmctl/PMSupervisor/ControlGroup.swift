internal import PMSystem
internal import PMWire

/// The cgroup of one generation: what is in it can be limited, and killed as a whole, whoever
/// forked and called setsid (cgroups(7), version 2).
final class ControlGroup {
  let path: String
  /// Handed to pm-launch, which enters by writing to it.
  let processes: OwnedDescriptor

  /// Makes the group of a generation under `parent`; limits that the kernel does not offer there
  /// are left out.
  init(parent: String, service: Service, number: Int) throws(SystemError) {
    path = "\(parent)/\(service.rawValue)-\(number)"
    try FileIO.makeFolder(path, mode: 0o755)
    processes = try FileIO.openForWriting("\(path)/cgroup.procs")
    try? FileIO.put("\(service.role.memoryBytesMax)", into: "\(path)/memory.max")
    try? FileIO.put("\(service.role.threadsMax)", into: "\(path)/pids.max")
  }

  /// Kills everything in it.
  func kill() { try? FileIO.put("1", into: "\(path)/cgroup.kill") }

  /// Processes killed for want of memory so far.
  func outOfMemoryCount() -> Int {
    guard let bytes = try? FileIO.read("\(path)/memory.events", bytesMax: 4096) else { return 0 }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("oom_kill ") {
      return Int(line.dropFirst("oom_kill ".count)) ?? 0
    }
    return 0
  }

  /// Removes the group; false while something in it has not ended.
  static func remove(_ path: String) -> Bool { FileIO.removeFolder(path) }

  /// The group that was delegated to this process, prepared for groups below: a group with
  /// processes cannot have groups with limits, so the supervisor moves into a leaf of its own.
  static func delegated() throws(SystemError) -> String {
    let bytes = try FileIO.read("/proc/self/cgroup", bytesMax: 64 * 1024)
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix("0::/") }) else {
      throw SystemError(.malformed, 0)
    }
    let parent = "/sys/fs/cgroup" + line.dropFirst("0::".count)
    try FileIO.makeFolder("\(parent)/supervisor", mode: 0o755)
    try FileIO.put("\(OwnProcess.pid)", into: "\(parent)/supervisor/cgroup.procs")
    try? FileIO.put("+memory +pids", into: "\(parent)/cgroup.subtree_control")
    return parent
  }
}
