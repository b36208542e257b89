import PMSystem
import Testing

@testable import PMCore

private let boundary = "XyZ"

/// A part as most clients write it.
private func part(_ name: String, _ content: String, _ extra: String = "") -> String {
  "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\(extra)\r\n\r\n\(content)\r\n"
}
private let end = "--\(boundary)--\r\n"
private let file = part("file", "RIFFdata", "; filename=\"a.wav\"\r\nContent-Type: audio/wav")
private let model = part("model", "whisper")

private func edit(_ text: String) -> EditedBody {
  guard let editor = MultipartBody(contentType: "multipart/form-data; boundary=\(boundary)") else {
    preconditionFailure("the boundary is good")
  }
  return EditedBody(editor, text)
}
private func edit(_ pieces: [ArraySlice<UInt8>]) -> EditedBody {
  guard let editor = MultipartBody(contentType: "multipart/form-data; boundary=\(boundary)") else {
    preconditionFailure("the boundary is good")
  }
  return EditedBody(editor, pieces)
}

// tidy:allow long-line: a form of one line is easier to compare
@Suite struct MultipartBodyTests {
  // MARK: Boundaries

  @Test(arguments: [
    ("multipart/form-data; boundary=abc", "abc"), ("multipart/form-data;boundary=abc", "abc"),
    ("multipart/form-data; boundary=\"abc\"", "abc"), ("Multipart/Form-Data; Boundary=abc", "abc"),
    ("multipart/form-data; charset=utf-8; boundary=abc ", "abc"),
    (
      "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
      "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    ),
    ("multipart/form-data; boundary='()+_,-./:=?", "'()+_,-./:=?"),
    (
      "multipart/form-data; boundary=\(String(repeating: "b", count: 70))",
      String(repeating: "b", count: 70)
    ),
  ])
  func boundariesThatAreTaken(_ type: String, _ wanted: String) {
    #expect(MultipartBody.boundary(in: type) == wanted)
  }

  @Test(arguments: [
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
    "multipart/form-data; boundary=a b", "multipart/form-data; boundary=\"a\"b\"",
    "multipart/form-data; boundary=a\"",
    "multipart/form-data; boundary=a\\", "multipart/form-data; boundary=é",
    "multipart/form-data; boundary=a\tb",
    "multipart/form-data; boundary=\(String(repeating: "b", count: 71))",
    "multipart/form-data; xboundary=a",
    "boundary=abc", "multipart/form-data; boundary=a\r\nX: y", "multipart/form-data; boundary=<a>",
  ])
  func boundariesThatAreRefused(_ type: String) { #expect(MultipartBody.boundary(in: type) == nil) }

  // MARK: What passes

  @Test func aFormPassesAsItIsOverEverySplit() {
    for text in [
      model + file + end, file + model + end,
      file + part("temperature", "0") + model + part("prompt", "") + end,
      model + part("stream", "false") + part("response_format", "json") + file + end,
      model + file + part("language", "de") + part("response_format", "verbose_json") + end,
    ] {
      for way in splits(Array(text.utf8)) {
        let body = edit(way)
        #expect(body.text == text)
        #expect(body.model == "whisper")
        #expect(body.facts?.bodyBytes == text.utf8.count)
      }
    }
  }

  @Test func formsOfRealClientsAreTaken() {
    let curl =
      "--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n"
      + "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"my \\\"a\\\"; name=x.wav\"\r\n"
      + "Content-Type: application/octet-stream\r\n\r\nbytes\r\n--XyZ--\r\n"
    let dotnet =
      "--XyZ\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper\r\n"
      + "--XyZ\r\nContent-Disposition: form-data; name=file; filename=a.wav; filename*=utf-8''a.wav\r\n\r\nbytes\r\n--XyZ--\r\n"
    let okHTTP =
      "--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Length: 7\r\n\r\nwhisper\r\n"
      + "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"ä.wav\"\r\nContent-Type: audio/wav\r\nContent-Length: 5\r\n\r\nbytes\r\n--XyZ--\r\n"
    let node =
      "--XyZ\r\ncontent-disposition:form-data;name=\"model\"\r\n\r\nwhisper\r\n"
      + "--XyZ\r\ncontent-disposition: form-data; filename=\"a\"; name=\"file\"\r\n\r\n\r\n--XyZ--"
    for text in [curl, dotnet, okHTTP] {
      #expect(edit(text).text == text)
      #expect(edit(text).model == "whisper")
    }
    // Without the last line end, which is added.
    #expect(edit(node).text == node + "\r\n")
  }

  @Test(arguments: [
    "\r\n-XyZ", "\r\r\n--Xy", "\r\n--Xy\r\n--X", "--XyZ", "x--XyZ", "\n--XyZ", "\r--XyZ", "\r\n",
    "\r", "\r\n--XyY", "\r\n\r\n",
    "\r\n--xyz", "-\r\n-", "\r\n--", "a\r\n--Xy\r\n--Xy\r",
  ])
  func contentThatResemblesADelimiterStaysContent(_ content: String) {
    // At the very beginning of a part it would be a delimiter to some readers.
    let isFirst = content.hasPrefix("--XyZ")
    let text =
      model + part("file", (isFirst ? "a" : "") + content, "; filename=\"a\"")
      + part("prompt", content + "b") + end
    for way in splits(Array(text.utf8)) {
      let body = edit(way)
      #expect(isFirst ? body.fault == .badForm : body.text == text, "\(content.debugDescription)")
    }
  }

  @Test func whatFollowsTheLastDelimiterIsLeftOut() {
    let text = model + file + "--XyZ--"
    for epilogue in ["", "\r\n", "\r\n\r\nepilogue", "garbage\r\n" + part("model", "other")] {
      for way in splits(Array((text + epilogue).utf8)) {
        let body = edit(way)
        #expect(body.text == text + "\r\n")
        #expect(body.model == "whisper")
        #expect(body.facts?.bodyBytes == (text + epilogue).utf8.count)
      }
    }
  }

  // MARK: What is refused

  @Test func exactlyOneModelAndOneFileAreNeeded() {
    for text in [
      "", end, model + end, file + end, model + model + file + end, model + file + file + end,
      model + file,
      String((model + file + end).dropLast(4)), model + file + "--XyZ\r\n",
      model + part("stream", "0") + part("stream", "0") + file + end,
      model + part("response_format", "json") + part("response_format", "json") + file + end,
      part("model", "whisper\r\n") + part("x", "") + end,
    ] {
      #expect(edit(text).fault == .badForm, "\(text.debugDescription)")
    }
    #expect(edit(part("model", "") + file + end).fault == .modelMissing)
    #expect(edit(part("model", "a b") + file + end).fault == .modelMissing)
    #expect(edit(part("model", "a\r\nb") + file + end).fault == .modelMissing)
  }

  /// Each of these is a form in which a laxer reader finds a model that was not priced.
  @Test(arguments: [
    // Text before the first delimiter, in which some find a delimiter already.
    "\n--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nother\r\n" + model + file
      + end,
    "preamble\r\n" + model + file + end, "\r\n" + model + file + end, " " + model + file + end,
    // Lines that end with LF.
    "--XyZ\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\"model\"\n\nother\r\n" + model + file + end,
    "--XyZ\r\nX: y\nContent-Disposition: form-data; name=\"model\"\r\n\r\nother\r\n" + model + file
      + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\"x\"\r\rContent-Disposition: form-data; name=\"model\"\r\n\r\no\r\n"
      + model + file + end,
    // Delimiters with something behind.
    "--XyZ \r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nother\r\n" + model + file
      + end,
    "--XyZx\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n" + model + file + end,
    model + file + "--XyZ-\r\n\r\n" + end, model + file + "--XyZ- -\r\n",
    // A delimiter where a part has not begun yet.
    "--XyZ\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + part("model", "other") + model
      + file + end,
    // Names that are read differently.
    part("x", "y", "; name=\"model\"") + model + file + end,
    part("x", "y", "; name*=UTF-8''model") + model + file + end,
    part("x", "y", "; name*0=\"mo\"; name*1=\"del\"") + model + file + end,
    part("x", "y", "; NAME*=UTF-8''model") + model + file + end,
    part("mod\\el", "y") + model + file + end, part("model\\", "y") + file + end,
    "--XyZ\r\nContent-Disposition: form-data; x=\"a;name=q\"; name=\"model\"\r\n\r\nother\r\n"
      + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; x=\"a\\\"; name=\\\"b\"; name=\"model\"\r\n\r\nother\r\n"
      + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; NAME=\"model\"\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name=model\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name = \"model\"\r\n\r\nother\r\n" + model + file
      + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\"x\", name=\"model\"\r\n\r\nother\r\n" + model
      + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\"x\" name=\"model\"\r\n\r\nother\r\n" + model
      + file + end,
    // Two dispositions, or a folded one.
    "--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\ncontent-disposition: form-data; name=\"x\"\r\n\r\no\r\n"
      + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data;\r\n name=\"model\"\r\n\r\nother\r\n" + model + file
      + end,
    "--XyZ\r\nContent-Disposition : form-data; name=\"model\"\r\n\r\nother\r\n" + model + file
      + end,
    // No name at all.
    "--XyZ\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Type: text/plain\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: attachment; name=\"x\"\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\"x\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; =\"model\"\r\n\r\nother\r\n" + model + file + end,
    "--XyZ\r\nContent-Disposition: form-data; name=\"model\u{0}\"\r\n\r\nother\r\n" + model + file
      + end,
  ])
  func partsThatHideFromUsAreRefused(_ text: String) {
    for way in splits(Array(text.utf8)) where edit(way).fault != .badForm {
      Issue.record(
        "\(way.map(\.count)): \(String(describing: edit(way).fault)), \(edit(way).model)")
      return
    }
  }

  @Test func aStreamIsRefused() {
    for value in ["true", "1", "True", "yes", "x", " "] {
      #expect(edit(model + part("stream", value) + file + end).fault == .streamedForm, "\(value)")
    }
    for value in ["", "false", "False", "0"] {
      #expect(edit(model + part("stream", value) + file + end).fault == nil, "\(value)")
    }
  }

  @Test func onlyFormatsThatCanBeMeteredAreTaken() {
    for format in ["text", "srt", "vtt", "JSON", "diarized_json", "json ", "verbose_json"] {
      #expect(
        edit(model + part("response_format", format) + file + end).fault == .unknownFormat,
        "\(format)")
    }
    let verbose = part("response_format", "verbose_json")
    #expect(edit(model + verbose + part("language", "") + file + end).fault == .unknownFormat)
    #expect(edit(model + part("language", "en") + verbose + file + end).fault == nil)
  }

  // MARK: Limits

  @Test func headsFieldsAndPartsAreBounded() {
    func padded(_ count: Int) -> String {
      let head = "\r\nContent-Disposition: form-data; name=\"x\"\r\nX: \r\n\r\n"
      let filling = String(repeating: "y", count: count - head.utf8.count)
      return "--XyZ\r\nContent-Disposition: form-data; name=\"x\"\r\nX: \(filling)\r\n\r\n\r\n"
        + model + file + end
    }
    #expect(edit(padded(BodyBounds.partHeadBytesMax)).fault == nil)
    #expect(edit(padded(BodyBounds.partHeadBytesMax + 1)).fault == .badForm)

    func language(_ count: Int) -> String {
      model + part("language", String(repeating: "l", count: count)) + file + end
    }
    #expect(edit(language(BodyBounds.fieldBytesMax)).fault == nil)
    #expect(edit(language(BodyBounds.fieldBytesMax + 1)).fault == .badForm)
    // Other fields and the file are not kept.
    #expect(
      edit(model + part("prompt", String(repeating: "p", count: 100_000)) + file + end).fault == nil
    )

    func parts(_ count: Int) -> String {
      model + file + (2..<count).map { part("x\($0)", "") }.joined() + end
    }
    #expect(edit(parts(BodyBounds.partsMax)).fault == nil)
    #expect(edit(parts(BodyBounds.partsMax + 1)).fault == .badForm)
  }

  // MARK: Length of audio

  /// 16 bits, one channel.
  private static func wave(
    samplesPerSecond: UInt32, bytesPerSecond: UInt32? = nil, format: UInt8 = 1, bits: UInt8 = 16,
    dataBytes: Int
  ) -> [UInt8] {
    func little(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    return Array("RIFF".utf8) + little(0) + Array("WAVEfmt ".utf8) + little(16) + [format, 0, 1, 0]
      + little(samplesPerSecond) + little(bytesPerSecond ?? samplesPerSecond * 2)
      + [2, 0, bits, 0] + Array("data".utf8) + little(UInt32(dataBytes))
      + [UInt8](repeating: 0x0D, count: dataBytes)
  }

  private func milliseconds(_ audio: [UInt8]) -> [Int64?] {
    let head = "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
    let bytes = Array((model + head).utf8) + audio + Array(("\r\n" + end).utf8)
    // In one piece, in two that part the head of the audio, and byte by byte.
    return [0, bytes.count - 80, bytes.count - 40, bytes.count + 1].map {
      edit(splits(bytes)[$0]).facts?.audioMilliseconds
    }
  }

  @Test func theLengthOfAWaveFileIsRoundedUp() {
    #expect(Set(milliseconds(Self.wave(samplesPerSecond: 4000, dataBytes: 2000))) == [250])
    #expect(Set(milliseconds(Self.wave(samplesPerSecond: 16_000, dataBytes: 33))) == [2])
    #expect(Set(milliseconds(Self.wave(samplesPerSecond: 8000, dataBytes: 0))) == [0])
    #expect(Set(milliseconds(Self.wave(samplesPerSecond: 384_000, dataBytes: 1))) == [1])
  }

  @Test func otherFilesHaveNoKnownLength() {
    #expect(Set(milliseconds(Array("ID3".utf8))) == [nil])
    #expect(Set(milliseconds([UInt8](repeating: 0, count: 60))) == [nil])
    #expect(
      Set(milliseconds(Array(Self.wave(samplesPerSecond: 8000, dataBytes: 0).dropLast()))) == [nil])
  }

  /// A byte rate of its own would make a long file short.
  @Test func aWaveHeadIsTrustedOnlyIfADecoderWouldReadItSo() {
    for wave in [
      Self.wave(samplesPerSecond: 16_000, bytesPerSecond: .max, dataBytes: 100),
      Self.wave(samplesPerSecond: 16_000, bytesPerSecond: 0, dataBytes: 100),
      Self.wave(samplesPerSecond: 0, dataBytes: 100),
      Self.wave(samplesPerSecond: 384_001, dataBytes: 100),
      Self.wave(samplesPerSecond: 3999, dataBytes: 100),
      Self.wave(samplesPerSecond: 16_000, bits: 8, dataBytes: 100),
      Self.wave(samplesPerSecond: 16_000, format: 0x55, dataBytes: 100),
    ] {
      #expect(Set(milliseconds(wave)) == [nil])
    }
  }
}
