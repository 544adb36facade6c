// Package compare tells whether what was measured of a release is worse than what was measured of its baseline: production at the
// same time, or the release before it in the same stage. It does no I/O, has no clock and no randomness: the same measurements in
// the same order always come to the same.
//
// Whoever looks every ten seconds for two hours looks 720 times. A test for one look at a fixed sample, repeated, is wrong in a
// quarter of all soaks and more (services/e2e/watchsim shows how often). There are therefore two kinds here:
//
//   - [Rate] and [Mean] are sequential. Each keeps an e-value: what a bet against "it is not worse" would have made of one coin. If
//     it is not worse, the chance that the coin ever becomes 1/alpha is at most alpha, however often one looks (Ville's inequality).
//     So alpha is the chance of a false alarm in the whole soak.
//   - [Ranks] is the Mann-Whitney test as Kayenta uses it on a whole window, for who wants the same judgement as there. It is for
//     one look, at the end.
//
// Sources: A. Wald, Sequential Analysis (1947), for likelihood ratios while sampling; H. Robbins, "Statistical methods related to the
// law of the iterated logarithm" (1970), for mixing over alternatives; R. Turner, A. Ly and P. Grünwald, "Generic E-variables for
// exact sequential k-sample tests" (2021), for conditioning block by block; H. Wang and A. Ramdas, "Anytime-valid t-tests and
// confidence sequences for Gaussian means with unknown variance" (2022), for the mean; for Kayenta, its published
// docs/canary-config.md and MannWhitneyClassifier.
package compare
