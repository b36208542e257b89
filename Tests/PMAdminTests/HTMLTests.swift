import PMWire
import Testing

@testable import PMAdmin

@Suite struct HTMLTests {
  @Test func textIsEscapedAndMarkupIsNot() {
    let text = "<script>\"&'"
    let inner: HTML = "<b>\(text)</b>"
    let html: HTML = "<a title=\"\(text)\">\(inner)</a>"
    let escaped = "&lt;script&gt;&quot;&amp;&#39;"
    #expect(html.text == "<a title=\"\(escaped)\"><b>\(escaped)</b></a>")
  }

  @Test func literalsOfAnInterpolationAreTextToo() {
    let html: HTML = "<p>\("<i>")\(7)\([inner, inner])</p>"
    #expect(html.text == "<p>&lt;i&gt;7<hr>\n<hr></p>")
  }
  private let inner: HTML = "<hr>"

  @Test func controlCharactersAreDropped() {
    let html: HTML = "\("a\u{0}\u{1B}b\u{85}\nc")"
    #expect(html.text == "ab\nc")
  }

  @Test(
    arguments: [
      (0, 2, "€0.00"), (4_999_999, 2, "€0.00"), (5_000_000, 2, "€0.01"),
      (1_234_567_890, 4, "€1.2346"),
      (-5_000_000, 2, "-€0.01"), (-1, 2, "€0.00"), (999_999_999_999, 2, "€1000.00"),
    ] as [(Int64, Int, String)])
  func euroAreRounded(_ nano: Int64, _ decimals: Int, _ text: String) {
    #expect(Euro.text(nanoEuro: nano, decimals: decimals) == text)
  }
}
