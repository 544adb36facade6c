// Package template reduces error messages to templates, so that one error is the same error whenever it happens: the parts of a
// message that change with every occurrence are masked, and what is left names the error. It does no I/O and has no clock; the
// same messages in the same order always come to the same.
//
// It is made after Drain (P. He, J. Zhu, Z. Zheng, M. Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017),
// with two differences that a gate needs:
//
//   - [Mask] alone decides almost always. It knows numbers with their units, hexadecimal, UUIDs, addresses, times and dates, paths,
//     URLs, quoted text and generated names. So a message has the same template, and the same fingerprint, in every soak, whatever came
//     before it; Drain's templates depend on the order of messages.
//   - Drain merges messages that share half of their words. "connection refused" would be "connection reset", and the second be
//     overlooked as known. Here a word is only taken for a variable ([Any]) when three messages have been alike but for that word.
//     Until then each of them is an error of its own: rather one false alarm than one error that nobody hears of.
//
// A [Table] is the templates of one soak, with how often, since when, and an example. It is stored with the evidence of the release
// ([Stored]), where the next release finds what is known already ([Known]). All of it is bounded: [MaxTemplates], each of
// few bytes; what finds no room is counted.
package template
