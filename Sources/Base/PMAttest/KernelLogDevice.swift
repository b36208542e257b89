internal import CLinux
internal import Glibc
internal import PMSystem

/// Reads /dev/kmsg: one record per read, from the oldest that the kernel still has.
public enum KernelLogDevice {
  /// The kernel's own limit for one record with its properties.
  static let recordBytesMax = 8192
  /// More than the largest log buffer holds; a log that grows while it is read must end, too.
  static let recordsMax = 65_536

  /// All records; empty if the device cannot be read, which shuts the gate like an empty log.
  public static func records() -> [String] {
    guard let device = try? FileIO.open("/dev/kmsg") else { return [] }
    var records: [String] = []
    var buffer = [UInt8](repeating: 0, count: recordBytesMax)
    for _ in 0..<recordsMax {
      // The kernel writes at most the length of the buffer.
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(device.number, $0.baseAddress, $0.count)
      }
      if count > 0 {
        records.append(String(decoding: buffer[0..<count], as: UTF8.self))
        continue
      }
      let number = pm_errno()
      // EPIPE: records were overwritten while we read; the next read goes on after them.
      if count < 0, number == EPIPE || number == EINTR { continue }
      break
    }
    return records
  }
}
