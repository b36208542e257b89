import Glibc
import PMJSON
import PMSystem
import PMWire
import Testing

@testable import PMSupervisor

/// Descriptors run out at the first, second, third ... place where one is needed.
@Suite(
  .serialized,
  .enabled(if: Rig.exists("\(Rig.products)/pm-child-standin"), "programs are not built"))
struct ScarcityTests {
  /// Copies for a new process start at 64, so about 70 are the least that can work.
  static let limits = Array(3...20) + [24, 32, 48, 64, 65, 66, 67, 68, 69, 70, 72, 74, 76, 80]

  @Test func theSupervisorNeitherHangsNorFallsForWantOfDescriptors() throws {
    var readyAt: Int?
    for limit in Self.limits {
      let rig = try Rig(descriptorsMax: limit)
      var status: Int32 = 0
      var hasEnded = false
      let isReady = waitUntil(seconds: limit == Self.limits.last ? 10 : 1) {
        if unsafe waitpid(rig.pid, &status, WNOHANG) == rig.pid { hasEnded = true }
        return hasEnded || rig.status?["overall"]?.string == Overall.ready.rawValue
      }
      if hasEnded {
        rig.forget()
        #expect(status & 0x7F == 0, "killed by a signal at \(limit) descriptors")
        #expect(status >> 8 & 0xFF != 0, "a start that failed says so, at \(limit) descriptors")
      } else {
        if isReady, readyAt == nil { readyAt = limit }
        #expect(rig.leave() == ExitCode.done, "at \(limit) descriptors")
      }
    }
    #expect(readyAt != nil, "with enough of them everything runs")
  }
}

/// A cgroup of our own, if this user may make one.
private let groupParent: String? = {
  for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
    let path = "\(root)/pm-test-\(getpid())"
    guard Rig.exists("\(root)/cgroup.procs"), unsafe mkdir(path, 0o755) == 0 else { continue }
    if Rig.exists("\(path)/cgroup.kill") { return path }
    unsafe rmdir(path)
  }
  return nil
}()

/// Needs a cgroup file system of version 2 in which this user may make groups.
@Suite(.enabled(if: groupParent != nil, "no writable cgroup"))
struct ControlGroupTests {
  @Test func everythingInTheGroupIsKilledThoughItLeftTheSession() throws {
    let parent = try #require(groupParent)
    defer { unsafe rmdir(parent) }
    let group = try ControlGroup(parent: parent, service: .edge, number: 1)
    var spawn = Spawn(
      program: "\(Rig.products)/pm-launch",
      arguments: [
        "pm-launch", "pm-core", "development", "-c",
        "/usr/bin/setsid /bin/sleep 300 & exec /bin/sleep 300",
      ],
      environment: ["LISTEN_FDS=2", "LISTEN_FDNAMES=cgroup:program"])
    try spawn.give(group.processes)
    try spawn.give(try FileIO.open("/bin/sh"))
    let pid = try spawn.start()
    func members() -> Int {
      let bytes = (try? FileIO.read("\(group.path)/cgroup.procs", bytesMax: 4096)) ?? []
      return bytes.count { $0 == 0x0A }
    }
    #expect(waitUntil(seconds: 5) { members() == 2 })
    #expect(!ControlGroup.remove(group.path), "a group in use stays")
    group.kill()
    var status: Int32 = 0
    #expect(waitUntil(seconds: 5) { unsafe waitpid(pid, &status, WNOHANG) == pid })
    #expect(status & 0x7F == SIGKILL)
    #expect(waitUntil(seconds: 5) { ControlGroup.remove(group.path) })
    #expect(group.outOfMemoryCount() == 0)
  }
}
