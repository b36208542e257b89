internal import CLinux
internal import Glibc

/// What a process does to itself.
public enum OwnProcess {
  public static var pid: Int32 { getpid() }

  /// Keeps other processes of the same user, and core files, from its memory (prctl(2)). Exec
  /// undoes this, so every process says it for itself.
  public static func hideMemory() { _ = pm_prctl(PR_SET_DUMPABLE, 0, 0) }

  /// Orphans among its descendants become its children, so that none is lost.
  public static func adoptOrphans() { _ = pm_prctl(PR_SET_CHILD_SUBREAPER, 1, 0) }

  /// The path of the running program.
  public static var programPath: String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    // readlink writes at most the length of the buffer, and no final zero.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes -> Int in
      guard let base = unsafe bytes.bindMemory(to: CChar.self).baseAddress else { return -1 }
      return unsafe readlink("/proc/self/exe", base, bytes.count)
    }
    guard count > 0, count < buffer.count else { return nil }
    return String(decoding: buffer[0..<count], as: UTF8.self)
  }

  /// The working folder.
  public static var folder: String? {
    // With no buffer given, glibc allocates one that is as long as needed, and we free it.
    guard let text = unsafe getcwd(nil, 0) else { return nil }
    defer { unsafe free(text) }
    return unsafe String(cString: text)
  }

  /// Children of this process by the kernel's list (proc(5), needs CONFIG_PROC_CHILDREN).
  public static func children() -> [Int32] {
    let listBytesMax = 64 * 1024
    let path = "/proc/self/task/\(getpid())/children"
    guard let bytes = try? FileIO.read(path, bytesMax: listBytesMax) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
  }

  /// Kills a child that is no generation of ours.
  public static func killStranger(_ pid: Int32) { _ = kill(pid, SIGKILL) }

  /// Kills a process and the group that it leads.
  public static func killGroup(_ pid: Int32) {
    _ = kill(-pid, SIGKILL)
    _ = kill(pid, SIGKILL)
  }

  /// When a process started, in ticks since boot: with the pid it names one process for good. Nil
  /// if there is none, or it has ended and waits for its parent (proc(5), stat, fields 3 and 22).
  public static func startTime(of pid: Int32) -> UInt64? {
    let statBytesMax = 4096
    guard let bytes = try? FileIO.read("/proc/\(pid)/stat", bytesMax: statBytesMax),
      // The second field is the name in parentheses, and it may hold anything.
      let nameEnd = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = String(decoding: bytes[(nameEnd + 1)...], as: UTF8.self).split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
    return UInt64(fields[19])
  }

  /// What the kernel calls this boot: 32 lower-case digits (random(4)).
  public static var bootID: String? {
    let textBytesMax = 64
    guard
      let bytes = try? FileIO.read("/proc/sys/kernel/random/boot_id", bytesMax: textBytesMax)
    else { return nil }
    let digits = bytes.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "\n") }
    return digits.count == 32 ? String(decoding: digits, as: UTF8.self) : nil
  }

  /// Lets a moment pass, for a bounded wait before a loop runs.
  public static func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }

  /// Removes a socket file or nothing.
  public static func unlink(_ path: String) { _ = unsafe Glibc.unlink(path) }
}
