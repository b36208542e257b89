internal import CLinux
internal import Glibc

/// Ends this process.
public func exitProcess(_ code: Int32) -> Never { exit(code) }

/// Makes this process's memory unreadable to others of its uid, and keeps it out of core dumps
/// (prctl(2), PR_SET_DUMPABLE).
public func disableMemoryReading() { _ = pm_prctl(PR_SET_DUMPABLE, 0, 0) }

/// For words to whoever started this process by hand; never for anything of a request.
public func writeToStandardError(_ text: String) {
  let bytes = Array(text.utf8)
  // Nobody is left to tell if standard error is closed.
  _ = unsafe bytes.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
}
