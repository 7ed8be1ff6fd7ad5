// Package secrets finds credentials in bounded text: files of a layer, the variables, labels and history of an image
// configuration. What it returns tells where and by which rule; never the value, only a keyed fingerprint and the last
// characters.
//
// The rules are the detectors of osv-scalibr's veles. Their hundred expressions over all text would cost a hundred times
// what reading the layer does. Each match holds a literal, though ("AKIA", "glpat-", "discord" …): one pass looks for all
// literals at once (literal.go), and a detector is shown only windows around those of its rule (window.go). A Stream
// does this piece by piece for texts of any size. The same text gives the same hits in the same order, however it is
// written; a test compares with all detectors over the whole text.
//
// # Differences from veles
//
//   - Pairs and triples (an identifier and its secret, a keyword and a key) keep veles' expressions and distances, but each
//     anchor takes what is nearest (tuple.go): veles weighs all combinations, at a cost that a hostile text makes cubic, and
//     reports no incomplete pair where another is complete. An identifier alone is no hit.
//   - awsaccesskey, gcshmackey: partners that cannot be random (checksums, identifiers, paths, the documentation's example)
//     are left out. cloudflareapitoken, mistralapikey: values that are all hexadecimal are checksums.
//   - hashicorpvaulttoken: only the prefixes since Vault 1.10; the older "s.", "b." and "r." match minified code.
//   - privatekey, gcpsak, urlcreds are our own, for the reasons given where they stand. DER keys are not text. A user name
//     in a URL without a password is no hit, nor are reserved hosts and templates.
//   - Where a rule that names the issuer and one that goes by form (privatekey, jwttoken, urlcreds, httpbasicauth) match the
//     same place, the issuer's counts.
//   - Expressions that ignore case do so for ASCII letters here: the literal is not sought with the Kelvin sign or the long s.
//
// # Left out
//
//   - squareapikey's personal access tokens: any run of base64 with EAAA in it matches, as that of fonts, images and
//     WebAssembly within scripts often has.
//   - http's bearer tokens (any word after "Authorization: Bearer"), cookies and CSRF tokens: values of one session, in the
//     tests of every HTTP library. Bearer tokens with a form of their own are found by it.
//   - vapid: no literal, only two runs of base64 of certain lengths within 10 KiB.
//   - tinkkeyset: links Tink and protobuf's reflection into the analyser, for keysets that are mostly encrypted.
//   - salesforceoauth2jwt: what is secret in it is a private key, found as such.
//   - veles/sensitiveinformation: numbers of persons and accounts are not secrets of an image.
//
// Added, for veles has no rule: Slack's bot and user tokens (slack.go).
package secrets
