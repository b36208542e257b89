/// What the appliance does, in short.
struct DocumentationPage {
  var baseURL: String

  var content: HTML {
    """
    <h1>Documentation</h1>
    <section>
    <h2>What happens to a request</h2>
    <ol>
    <li>TLS ends inside this machine. The key of the certificate does not leave it.</li>
    <li>The API key, the limits and the model are checked.</li>
    <li>A reservation is written to the ledger, so that no crash can lose what a request costs.</li>
    <li>The vendor's own program encrypts the request end to end and sends it on.</li>
    <li>The answer passes through as it comes. Only its <code class="url">usage</code> numbers are \
    read, and the reservation is settled with them.</li>
    </ol>
    <p>Prompts and answers are not written to any log, file or table of this appliance.</p>
    </section>
    <section>
    <h2>Endpoints</h2>
    <table>
    <thead><tr><th>Endpoint</th><th>Metered by</th></tr></thead>
    <tbody>
    <tr><td>POST /v1/chat/completions</td><td>tokens</td></tr>
    <tr><td>POST /v1/completions</td><td>tokens</td></tr>
    <tr><td>POST /v1/messages</td><td>tokens</td></tr>
    <tr><td>POST /v1/embeddings</td><td>tokens</td></tr>
    <tr><td>POST /v1/audio/transcriptions</td><td>audio</td></tr>
    <tr><td>GET /v1/models</td><td>free</td></tr>
    <tr><td>GET /auth/key-info</td><td>free</td></tr>
    <tr><td>GET /health, GET /health/ready</td><td>free, no key</td></tr>
    </tbody>
    </table>
    </section>
    \(UsageExample(baseURL: baseURL).content)
    """
  }
}
