import PMHTTP
import PMJSON
import PMSystem
import PMWire

/// An answer under way, by its kind.
enum AnswerRelay {
  case whole(WholeAnswer)
  case events(EventAnswer)
  case fault(FaultAnswer)

  /// Bytes of it have gone to the client.
  var hasBegun: Bool {
    switch self {
    case .whole(let whole): whole.hasBegun
    case .events(let stream): stream.hasBegun
    case .fault: false
    }
  }

  /// What is known of its usage before its end; nil if nothing was delivered.
  func usageSoFar(of call: Call) -> Usage? {
    switch self {
    case .whole(let whole): whole.hasBegun ? whole.usage(of: call) : nil
    case .fault: nil
    case .events(let stream): stream.usage(of: call)
    }
  }
}

/// A JSON answer: held back whole if it is short, else but for its last piece.
final class WholeAnswer {
  /// The vendor's length; nil if it came in chunks.
  let length: Int?
  var meter = AnswerMeter()
  var held = ByteBuffer()
  var hasBegun = false

  init(length: Int?) { self.length = length }

  /// The vendor's report; without one a quarter of the bytes, as with the prompt. Tokens are no
  /// report of audio, which is priced by its length.
  func usage(of call: Call) -> Usage {
    let isAudio = call.route == .transcriptions
    if let report = meter.report, !isAudio || report.audioMilliseconds != nil {
      return report.usage(bodyBytes: call.facts.bodyBytes, isAudio: isAudio)
    }
    var estimate = call.promptEstimate()
    if call.route != .embeddings && !isAudio {
      estimate.output = Int64(meter.bytes + 3) / 4
    }
    return estimate
  }
}

/// A stream of events.
final class EventAnswer {
  var meter: EventMeter
  private var framer = EventStreamFramer()
  /// The beginning of an event whose end has not come.
  private var partial = ByteBuffer()
  /// Events that go to the client now.
  var passing = ByteBuffer()
  /// The mark of the end, kept until the settlement is on disk.
  var terminator = ByteBuffer()
  var hasBegun = false
  var lastEventAt = Instant(nanoseconds: 0)

  init(_ dialect: Dialect, showsUsage: Bool) {
    meter = EventMeter(dialect, showsUsage: showsUsage)
  }

  /// Sorts whole events into what passes now and what ends the stream. False if an event is longer
  /// than any may be.
  func take(_ piece: borrowing Span<UInt8>) -> Bool {
    var (position, start) = (0, 0)
    while let end = framer.nextEnd(piece, &position) {
      let event = piece.extracting(start..<end)
      if partial.isEmpty {
        place(event)
      } else {
        partial.append(event)
        var whole = ByteBuffer()
        swap(&whole, &partial)
        place(whole.span)
      }
      start = end
    }
    if start < piece.count { partial.append(piece.extracting(start..<piece.count)) }
    return partial.count <= CoreBounds.eventBytesMax
  }

  private func place(_ event: borrowing Span<UInt8>) {
    let wasComplete = meter.isComplete
    switch meter.judge(event) {
    case .drop: return
    case .pass:
      // What follows the end changes nothing, and is not kept.
      if wasComplete { return }
      if meter.isComplete { terminator.append(event) } else { passing.append(event) }
    case .cut(let range):
      passing.append(event.extracting(0..<range.lowerBound))
      passing.append(event.extracting(range.upperBound..<event.count))
    }
  }

  /// The last report, else the estimate: a token for each event with data.
  func usage(of call: Call) -> Usage {
    if let report = meter.report {
      var usage = report.usage(bodyBytes: call.facts.bodyBytes, isAudio: false)
      if meter.unreportedOutputEvents > 0 {
        usage.output += meter.unreportedOutputEvents
        usage.source = .estimate
        usage.flags.insert(.unknown)
      }
      return usage
    }
    var estimate = call.promptEstimate()
    estimate.output = max(0, meter.events - (meter.isComplete ? 1 : 0))
    return estimate
  }
}

/// An answer that is not 200, read as far as it takes to tell what it means.
final class FaultAnswer {
  private let status: Int
  private let isGateway: Bool
  private let isJSON: Bool
  private let retryAfterSeconds: Int?
  private var body = ByteBuffer()

  init(_ head: ResponseHead, _ bytes: borrowing Span<UInt8>) {
    status = head.status
    isGateway =
      head.fields.first(.privatemodeEncrypted).map { bytes.equals($0, ignoringCase: "false") }
      ?? false
    isJSON =
      head.fields.first(.contentType).map {
        $0.count >= 16
          && bytes.equals($0.lowerBound..<$0.lowerBound + 16, ignoringCase: "application/json")
      } ?? false
    retryAfterSeconds = head.fields.first(.retryAfter).flatMap {
      RetryAfter.seconds(String(copying: bytes.extracting($0)), at: .now())
    }
  }

  func take(_ piece: borrowing Span<UInt8>) {
    let room = CoreBounds.faultBytesMax - body.count
    body.append(piece.extracting(0..<min(room, piece.count)))
  }

  var meaning: VendorFault {
    VendorFault(
      status: status, isGateway: isGateway, body: body, isJSON: isJSON,
      retryAfterSeconds: retryAfterSeconds)
  }

  /// The model server's own words about this very request; nil where they are not the asker's.
  var text: String? {
    guard VendorFault.passesText(status: status, isGateway: isGateway, isJSON: isJSON),
      let document = try? JSONReader.read(body.bytes)
    else { return nil }
    return document["error"]?["message"]?.string ?? document["message"]?.string
  }
}
