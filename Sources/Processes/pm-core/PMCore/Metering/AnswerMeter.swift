import PMJSON
import PMSystem

/// Reads usage out of a JSON answer that passes in pieces. Nothing else is looked at or kept.
struct AnswerMeter {
  private var scanner = JSONMemberScanner(isStrict: false)
  private var wantsUsage = false
  private(set) var report: UsageReport?
  /// False once the bytes were no JSON object.
  private(set) var isJSON = true
  private(set) var bytes = 0

  mutating func take(_ piece: borrowing Span<UInt8>) {
    bytes += piece.count
    var position = 0
    guard isJSON, !scanner.isComplete else { return }
    while true {
      guard let event = try? scanner.next(piece, &position) else {
        isJSON = false
        return
      }
      switch event {
      case .needsMore, .end: return
      case .name:
        wantsUsage = scanner.nameIs("usage")
        if wantsUsage { scanner.captureValue(bytesMax: UsageReport.bytesMax) }
      case .member:
        // The last one counts; a client cannot place one here, only the model server can.
        if wantsUsage, scanner.isCaptureWhole {
          report = UsageReport(scanner.captured.span) ?? report
        }
      }
    }
  }

  /// True if a whole JSON object has passed.
  var isWhole: Bool { isJSON && scanner.isComplete }
}
