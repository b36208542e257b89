/// `/v1/audio/transcriptions`: the length is real where a WAV head tells it.
extension AnswerDesk {
  /// Bytes to a second where no head tells: 128 kbit/s, a common compressed rate.
  private static let bytesPerSecond = 16_000

  func transcription() throws(ModelError) -> Answer {
    guard let file = call.form.files["file"] else {
      throw ModelError.badRequest("file: field required")
    }
    guard call.form.values["stream"]?.isEqual(to: "true") != true else {
      throw ModelError.badRequest("the stand-in does not stream audio")
    }
    let seconds =
      WAVHead(file)?.seconds ?? (file.count + Self.bytesPerSecond - 1) / Self.bytesPerSecond
    let said = fault.text ?? scenario.text ?? Bytes("Echo: \(seconds) seconds")
    let usage = Usage(seconds: seconds)
    var body: JSON = ["text": .text(said)]
    switch call.form.values["response_format"]?.text ?? "json" {
    case "json": break
    case "verbose_json":
      guard let language = call.form.values["language"], !language.isEmpty else {
        throw ModelError.badRequest("language: field required with verbose_json")
      }
      body =
        ["task": "transcribe", "language": .text(language), "duration": .text("\(seconds).0")]
        + body + ["segments": []]
    default: return .notJSON
    }
    if usageMode != .none {
      body = body + ["usage": ["type": "duration", "seconds": .int(seconds)]]
    }
    return .whole(body.rendered(), usageMode == .none ? nil : usage)
  }
}

/// As much of a RIFF/WAVE head as tells the length.
struct WAVHead {
  /// Rounded up, as the vendor does.
  let seconds: Int

  init?(_ file: Bytes) {
    func number(at place: Int) -> Int {
      (0..<4).reduce(0) { $0 | Int(file[place + $1]) << (8 * $1) }
    }
    guard file.count >= 12, file.starts(with: "RIFF"), Bytes(file[8..<12]).isEqual(to: "WAVE")
    else {
      return nil
    }
    var place = 12
    var bytesPerSecond = 0
    while place + 8 <= file.count {
      let name = Bytes(file[place..<(place + 4)])
      let size = number(at: place + 4)
      if name.isEqual(to: "fmt "), place + 20 <= file.count {
        bytesPerSecond = number(at: place + 16)
      }
      if name.isEqual(to: "data") {
        guard bytesPerSecond > 0 else { return nil }
        seconds = (min(size, file.count - place - 8) + bytesPerSecond - 1) / bytesPerSecond
        return
      }
      place += 8 + size + size % 2
    }
    return nil
  }
}
