import PMCrypto
import PMSystem
import PMWire
import Testing

@testable import PMEdge

private let nonce = String(repeating: "0a", count: 32)
private let key = String(repeating: "c7", count: 32)

private func document(
  nonce: String = nonce, key: String = key, before: String = "", after: String = ""
) -> [UInt8] {
  let text =
    #"{\#(before)"format":"pmctl-attestation/v1","nonce":"\#(nonce)","#
    + #""x":{"nonce":"y","spki_sha256":["\#(key)"]},"spki_sha256":"\#(key)"\#(after)}"#
  return Array(text.utf8)
}

private func fault(_ document: [UInt8]) -> String? {
  EvidenceCheck.fault(document, nonce: nonce, key: key).map { "\($0)" }
}

@Suite struct EvidenceNonceTests {
  private func read(_ query: String) -> String? {
    EvidenceNonce.text(query: Array(query.utf8).span)
  }

  @Test func sixtyFourDigitsAreTaken() {
    #expect(read("nonce=" + nonce) == nonce)
    let one = String(repeating: "0", count: 63) + "1"
    #expect(read("nonce=" + one) == one)
  }

  private static let others: [String] = [
    "", "nonce", "nonce=", "nonce=0a", "nonce=\(nonce)0", "nonce=\(nonce.dropLast())",
    "nonce=\(nonce.uppercased())", "nonce=\(nonce)&a=b", "a=b&nonce=\(nonce)",
    "nonce=\(nonce)&nonce=\(nonce)", "Nonce=\(nonce)", "nonce==\(nonce.dropFirst())",
    "nonce=%30a\(nonce.dropFirst(4))", "nonce=\(String(repeating: "0", count: 64))",
    "nonce=\(String(repeating: "g", count: 64))", "nonce=\(nonce.dropLast()) ",
    "nonce=\(nonce.dropLast())#",
  ]

  @Test(arguments: others) func anythingElseIsNot(_ query: String) { #expect(read(query) == nil) }
}

@Suite struct EvidenceCheckTests {
  @Test func theOwnDocumentPasses() {
    #expect(fault(document()) == nil)
    #expect(fault(document(before: " ", after: " , \"y\" : 1 ")) == nil)
  }

  @Test func anotherKeyIsForeign() {
    let other = String(repeating: "c8", count: 32)
    for key in [other, key.uppercased(), String(key.dropLast()), key + "0", "", " " + key] {
      #expect(fault(document(key: key)) == "foreignKey", "\(key)")
    }
    let elsewhere = [
      #"{"nonce":"\#(nonce)"}"#, #"{"nonce":"\#(nonce)","spki_sha256":["\#(key)"]}"#,
      #"{"x":{"nonce":"\#(nonce)","spki_sha256":"\#(key)"}}"#,
    ]
    for text in elsewhere { #expect(fault(Array(text.utf8)) == "foreignKey", "\(text)") }
  }

  @Test func anotherNonceIsForeign() {
    for nonce in [String(nonce.reversed()), String(nonce.dropLast()), ""] {
      #expect(fault(document(nonce: nonce)) == "foreignNonce", "\(nonce)")
    }
  }

  @Test func whatIsNoSingleObjectIsDamaged() {
    let whole = document()
    for count in 0..<whole.count { #expect(fault(Array(whole.prefix(count))) == "damaged") }
    #expect(fault(whole + [0x20, 0x7B]) == "damaged")
    #expect(fault(whole + whole) == "damaged")
    #expect(fault([0x5B] + whole + [0x5D]) == "damaged")
    #expect(fault(document(after: #","spki_sha256":"\#(key)""#)) == "damaged")
    #expect(fault(document(before: #""nonce":"\#(nonce)","#)) == "damaged")
    #expect(fault(document(before: #""\u006eonce":"\#(nonce)","#)) == "damaged")
    #expect(fault(document(after: ",\"y\":\"\u{1}\"")) == "damaged")
  }
}

@Suite struct EvidenceQueueTests {
  private let queue = EvidenceQueue()
  private let wake: Wake
  private let now = Instant(nanoseconds: 1_000_000_000)

  init() throws { wake = try Wake {} }

  private func ask(_ nonce: String = nonce) -> EvidenceQueue.Reception {
    queue.ask(nonce, at: now, wake.bell)
  }

  private func number(_ reception: EvidenceQueue.Reception) -> Int64? {
    if case .waits(let number) = reception { number } else { nil }
  }

  @Test func withoutASupervisorThereIsNoEvidence() {
    #expect(ask() == .answered(.none))
    queue.open(wake.bell)
    #expect(number(ask()) != nil)
    queue.close()
    #expect(ask() == .answered(.none))
  }

  @Test func eightWaitBesideTheOneThatIsWorkedOn() throws {
    queue.open(wake.bell)
    let numbers = (0..<9).compactMap { _ in number(ask()) }
    #expect(numbers == Array(1...9))
    #expect(ask() == .answered(.busy(retryAfterSeconds: 1)))
    // Who leaves frees a place, and is not worked on.
    queue.withdraw(numbers[0])
    #expect(number(ask()) == 10)
    #expect(ask() == .answered(.busy(retryAfterSeconds: 1)))
    #expect(queue.next()?.number == 2)
    // An answer that nobody collected still holds its place.
    queue.answer(2, .document([1]))
    #expect(ask() == .answered(.busy(retryAfterSeconds: 1)))
    #expect(queue.collect(2) == .document([1]))
    #expect(queue.collect(2) == nil)
    #expect(number(ask()) == 11)
  }

  @Test func requestsAreWorkedOnInTheirOrderOnce() throws {
    queue.open(wake.bell)
    let asked = ["a", "b", "c"]
    for nonce in asked { #expect(number(ask(nonce)) != nil) }
    var seen: [String] = []
    while let ticket = queue.next() { seen.append(ticket.nonce) }
    #expect(seen == asked)
  }

  @Test func theAnswerOfOneWhoLeftIsForNobody() {
    queue.open(wake.bell)
    #expect(number(ask()) == 1)
    #expect(queue.next()?.number == 1)
    queue.withdraw(1)
    queue.answer(1, .document([1]))
    #expect(queue.collect(1) == nil)
  }

  @Test func theEndOfTheSupervisorAnswersAllThatWait() {
    queue.open(wake.bell)
    #expect(number(ask()) == 1)
    #expect(number(ask()) == 2)
    #expect(queue.next()?.number == 1)
    queue.answer(1, .document([1]))
    queue.close()
    #expect(queue.collect(1) == .document([1]))
    #expect(queue.collect(2) == EvidenceAnswer.none)
  }
}

/// The supervisor's end of the socket.
private final class PlayedSupervisor: StreamSource {
  var input = ByteBuffer()
  var requests: [EvidenceRequest] = []

  override func onReadable() {
    guard case .bytes = receive(into: &input, upTo: 65_536) else { return close() }
    let lines = input.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for line in lines.dropLast() {
      if let request = EvidenceRequest(line: Array(line)) { requests.append(request) }
    }
    input.consume(input.count - (lines.last?.count ?? 0))
  }

  func say(_ text: String) { write(Array(text.utf8).span) }

  func send(_ document: [UInt8], _ id: Int64, piece: Int = 1000) {
    var index = 0
    for start in stride(from: 0, to: document.count, by: piece) {
      let part = Array(document[start..<min(document.count, start + piece)])
      say(EvidenceReply.part(index, Base64.text(part.span)).line(to: id))
      index += 1
    }
    say(EvidenceReply.done(bytes: document.count).line(to: id))
  }
}

@Suite final class EvidenceClientTests {
  private let loop: EventLoop
  private let queue = EvidenceQueue()
  private let client: EvidenceClient
  private let supervisor: PlayedSupervisor
  private let wake: Wake

  init() throws {
    loop = try EventLoop()
    var pair = try DescriptorPair.stream()
    let digest = try #require(Digest256(hex: key))
    guard let near = pair.first.take(), let far = pair.second.take() else {
      throw SystemError(.socket, 0)
    }
    client = EvidenceClient(near, in: loop, queue, key: digest)
    supervisor = PlayedSupervisor(far, in: loop)
    wake = try Wake {}
    try loop.add(client)
    try loop.add(supervisor)
    queue.open(wake.bell)
  }

  private func ask() throws -> Int64 {
    guard case .waits(let number) = queue.ask(nonce, at: loop.now, wake.bell) else {
      throw SystemError(.malformed, 0)
    }
    client.begin()
    return number
  }

  private func settle() { for _ in 0..<8 { loop.turn(waitMillisecondsMax: 5) } }

  /// What a client gets if the supervisor, asked once, says `reply`.
  private func answer(_ reply: (Int64) -> Void) throws -> EvidenceAnswer? {
    let number = try ask()
    settle()
    #expect(supervisor.requests.last?.id == number)
    reply(number)
    settle()
    return queue.collect(number)
  }

  @Test func aDocumentIsPutTogether() throws {
    let text = document(after: #","y":"\#(String(repeating: "z", count: 60_000))""#)
    for piece in [1, 100, 2880] {
      let short = piece == 1 ? document() : text
      let found = try answer { supervisor.send(short, $0, piece: piece) }
      #expect(found == .document(short))
    }
    #expect(supervisor.requests.map(\.nonce) == [nonce, nonce, nonce])
    let limit = EvidenceLimits.deadlineMillisecondsDefault
    #expect(supervisor.requests.allSatisfy { $0.deadlineMilliseconds <= limit })
  }

  @Test func refusalsArePassedOn() throws {
    let busy = try answer {
      supervisor.say(EvidenceReply.refused(.busy, retryAfterSeconds: 3).line(to: $0))
    }
    #expect(busy == .busy(retryAfterSeconds: 3))
    for refusal in [EvidenceReply.Refusal.unavailable, .malformed] {
      let found = try answer {
        supervisor.say(EvidenceReply.refused(refusal, retryAfterSeconds: 0).line(to: $0))
      }
      #expect(found == .unavailable(retryAfterSeconds: 1))
    }
  }

  @Test func onlyTheOwnDocumentGoesOut() throws {
    let foreign = String(repeating: "1", count: 64)
    #expect(try answer { supervisor.send(document(key: foreign), $0) } == EvidenceAnswer.none)
    #expect(try answer { supervisor.send(document(nonce: foreign), $0) } == EvidenceAnswer.none)
    #expect(try answer { supervisor.send(Array("{}".utf8), $0) } == EvidenceAnswer.none)
    #expect(try answer { supervisor.send(document(), $0) } == .document(document()))
  }

  @Test func brokenPiecesMakeNoDocument() throws {
    let whole = document()
    let part = Base64.text(whole.span)
    func lines(_ replies: [EvidenceReply]) throws -> EvidenceAnswer? {
      try answer { number in
        for reply in replies { supervisor.say(reply.line(to: number)) }
      }
    }
    let done = EvidenceReply.done(bytes: whole.count)
    #expect(try lines([.part(1, part), done]) == EvidenceAnswer.none)
    #expect(try lines([.part(0, part), .part(0, part), done]) == EvidenceAnswer.none)
    #expect(try lines([.part(0, part), .done(bytes: whole.count - 1)]) == EvidenceAnswer.none)
    #expect(try lines([.part(0, part + "="), done]) == EvidenceAnswer.none)
    #expect(try lines([.done(bytes: 0)]) == EvidenceAnswer.none)
    let long = [UInt8](repeating: 0x20, count: EvidenceLimits.pieceBytesMax + 1)
    #expect(try lines([.part(0, Base64.text(long.span))]) == EvidenceAnswer.none)
    #expect(try lines([.part(0, part), done]) == .document(whole))
  }

  @Test func aDocumentHasABound() throws {
    let long = document(after: #","y":"\#(String(repeating: "z", count: 65_536))""#)
    #expect(try answer { supervisor.send(long, $0, piece: 2880) } == EvidenceAnswer.none)
    #expect(try answer { supervisor.send(document(), $0) } == .document(document()))
  }

  @Test func whatAFormerRequestLeftIsPassedOver() throws {
    let old = try ask()
    settle()
    queue.withdraw(old)
    let new = try ask()
    settle()
    // One after the other: the new one is asked once the old one is answered.
    #expect(supervisor.requests.map(\.id) == [old])
    supervisor.send(document(), old)
    settle()
    #expect(queue.collect(old) == nil)
    #expect(supervisor.requests.map(\.id) == [old, new])
    supervisor.say(EvidenceReply.refused(.busy, retryAfterSeconds: 9).line(to: old))
    supervisor.say("garbage\n{\"id\":7}\n{}\n\n")
    supervisor.send(document(), new)
    settle()
    #expect(queue.collect(new) == .document(document()))
  }

  @Test func theEndOfTheSupervisorIsTold() throws {
    let number = try ask()
    let waiting = try ask()
    settle()
    supervisor.close()
    settle()
    #expect(queue.collect(number) == EvidenceAnswer.none)
    #expect(queue.collect(waiting) == EvidenceAnswer.none)
    #expect(queue.ask(nonce, at: loop.now, wake.bell) == .answered(.none))
  }

  @Test func aLineWithoutEndEndsIt() throws {
    let number = try ask()
    settle()
    supervisor.say(String(repeating: "x", count: EvidenceLimits.lineBytesMax + 1))
    settle()
    #expect(queue.collect(number) == EvidenceAnswer.none)
    #expect(client.isClosed)
  }
}
