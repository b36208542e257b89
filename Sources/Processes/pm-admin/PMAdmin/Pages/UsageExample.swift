/// How a client is pointed at this appliance.
struct UsageExample {
  /// `https://` and the name that clients use.
  var baseURL: String

  var content: HTML {
    """
    <section>
    <h2>How to Use This Proxy</h2>
    <p>Any OpenAI client works: set its base URL to <code class="url">\(baseURL)/v1</code> \
    and its key to one of the keys above.</p>
    <h3>Python</h3>
    <pre>from openai import OpenAI

    client = OpenAI(base_url="\(baseURL)/v1", api_key="pm_...")
    answer = client.chat.completions.create(
        model="gpt-oss-120b",
        messages=[{"role": "user", "content": "Hello"}],
    )
    print(answer.choices[0].message.content)</pre>
    <h3>cURL</h3>
    <pre>curl \(baseURL)/v1/chat/completions \\
      -H "Authorization: Bearer pm_..." \\
      -H "Content-Type: application/json" \\
      -d '{"model": "gpt-oss-120b", "messages": [{"role": "user", "content": "Hello"}]}'</pre>
    <p><code class="url">GET \(baseURL)/v1/models</code> lists the models that answer now.</p>
    </section>
    """
  }
}
