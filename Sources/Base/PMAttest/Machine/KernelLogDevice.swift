internal import CLinux
internal import Glibc
internal import PMSystem

/// Reads /dev/kmsg: one record per read, from the oldest that the kernel still has.
enum KernelLogDevice {
  /// The kernel's own limit for one record with its properties.
  static let recordBytesMax = 8192
  /// More than the largest log buffer holds; a log that grows while it is read must end, too.
  static let recordsMax = 65_536

  /// All records; empty if the device cannot be read, which shuts the gate like an empty log.
  static func records() -> [[UInt8]] {
    guard let device = try? FileIO.open("/dev/kmsg") else { return [] }
    return records { buffer in
      // The kernel writes at most the length of the buffer.
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(device.number, $0.baseAddress, $0.count)
      }
      return count < 0 ? -Int(pm_errno()) : count
    }
  }

  /// Reads to the end. `next` gives the bytes of one record, or the negative errno.
  static func records(next: (inout [UInt8]) -> Int) -> [[UInt8]] {
    var records: [[UInt8]] = []
    var buffer = [UInt8](repeating: 0, count: recordBytesMax)
    for _ in 0..<recordsMax {
      let result = next(&buffer)
      if result > 0 {
        records.append(Array(buffer[0..<result]))
      } else if result != -Int(EPIPE), result != -Int(EINTR) {
        // EPIPE says that records were overwritten meanwhile; the next read goes on after them.
        break
      }
    }
    return records
  }
}
