/// The length of a RIFF WAVE file, as far as its first bytes tell. Trusted is only what a decoder
/// goes by as well, so that a head which claims a shorter file than it is makes nothing cheaper.
struct WaveHead {
  private static let headBytes = 44
  /// PCM, IEEE float, and extensible, which is one of them.
  private static let formats: Set<Int64> = [1, 3, 0xFFFE]
  private static let samplesPerSecondRange: ClosedRange<Int64> = 4000...384_000
  private static let channelsRange: ClosedRange<Int64> = 1...8
  private static let bitsPerSampleRange: ClosedRange<Int64> = 8...64

  private var head: [UInt8] = []
  private var fileBytes = 0

  mutating func take(_ bytes: borrowing Span<UInt8>) {
    fileBytes += bytes.count
    for offset in 0..<min(bytes.count, Self.headBytes - head.count) { head.append(bytes[offset]) }
  }

  /// Rounded up; nil if this is no plain WAVE file.
  var milliseconds: Int64? {
    guard head.count == Self.headBytes, head[0..<4] == Array("RIFF".utf8)[...],
      head[8..<16] == Array("WAVEfmt ".utf8)[...]
    else { return nil }
    let (format, channels, samplesPerSecond) = (number(20..<22), number(22..<24), number(24..<28))
    let (bytesPerSecond, bytesPerFrame) = (number(28..<32), number(32..<34))
    let bitsPerSample = number(34..<36)
    guard Self.formats.contains(format), Self.channelsRange.contains(channels),
      Self.samplesPerSecondRange.contains(samplesPerSecond),
      Self.bitsPerSampleRange.contains(bitsPerSample),
      bytesPerFrame * 8 == channels * bitsPerSample,
      bytesPerSecond == samplesPerSecond * bytesPerFrame
    else { return nil }
    return (Int64(fileBytes - Self.headBytes) * 1000 + bytesPerSecond - 1) / bytesPerSecond
  }

  /// A little-endian number of the head.
  private func number(_ range: Range<Int>) -> Int64 {
    head[range].reversed().reduce(0) { $0 << 8 | Int64($1) }
  }
}
