// Package compare tells whether what was measured of a release is worse than what was measured of its baseline: production at the
// same time, or the release before it in the same stage. It does no I/O, has no clock and no randomness: the same measurements in
// the same order always come to the same.
//
// Whoever looks every ten seconds for two hours looks 720 times. A rule of thumb, such as twice as many errors three times in a row, is
// then wrong in half of all soaks, and a test for one look that is repeated more often than it is set to. There are therefore two kinds
// here:
//
//   - [Rate] and [Mean] are sequential. Each keeps an e-value: what a bet against "it is not worse" would have made of one coin. If
//     it is not worse, the chance that the coin ever becomes 1/alpha is at most alpha, however often one looks (Ville's inequality).
//     So alpha is the chance of a false alarm in the whole soak.
//   - [Ranks] is the Mann-Whitney test as Kayenta uses it on a whole window, for who wants the same judgement as there. It is for
//     one look, at the end: the watcher asks once, after four fifths of the soak. Kayenta's tolerance, a quarter of the estimate, keeps
//     it from false alarms also where it is repeated, but for no promise; and where nearly all values are equal, as rates of rare
//     errors are, it sees little.
//
// # What they are worth
//
// `make watch-sim` (1000 soaks of two hours for each line, a look every ten seconds, seed 1, sequential set to 1 %; three minutes of one
// core). False alarms without a regression, and for a regression how many soaks saw it and half of them within what time:
//
//	requests/look  method                      no regression  1.5 times        2 times          5 times
//	10             threshold                   49.9 %          85.8 %, 21m20s   98.5 %, 14m50s  100.0 %,  3m00s
//	10             ranks, repeated each minute  0.1 %           5.1 %, 30m00s   57.9 %, 38m00s  100.0 %, 10m00s
//	10             ranks, once                  0.0 %           0.1 %, 1h36m    17.6 %, 1h36m  100.0 %, 1h36m
//	10             sequential                   0.6 %          27.3 %, 50m10s   93.4 %, 38m10s  100.0 %,  5m40s
//	100            threshold                   91.8 %         100.0 %,  7m50s  100.0 %,  2m20s  100.0 %,    30s
//	100            ranks, repeated each minute  1.4 %         100.0 %, 16m00s  100.0 %, 10m00s  100.0 %, 10m00s
//	100            ranks, once                  0.0 %         100.0 %, 1h36m   100.0 %, 1h36m   100.0 %, 1h36m
//	100            sequential                   0.8 %         100.0 %, 15m40s  100.0 %,  5m10s  100.0 %,    40s
//	1000           threshold                    0.1 %          68.6 %, 1h23m   100.0 %,  2m00s  100.0 %,    30s
//	1000           ranks, repeated each minute  1.4 %         100.0 %, 10m00s  100.0 %, 10m00s  100.0 %, 10m00s
//	1000           ranks, once                  0.1 %         100.0 %, 1h36m   100.0 %, 1h36m   100.0 %, 1h36m
//	1000           sequential                   0.4 %         100.0 %,  2m10s  100.0 %,    40s  100.0 %,    10s
//
// Of a latency with a spread of a fifth, higher by a twentieth, a tenth, and half:
//
//	ranks, repeated each minute  1.1 %   94.5 %, 47m00s  100.0 %, 16m00s  100.0 %, 10m00s
//	ranks, once                  0.1 %   81.2 %, 1h36m   100.0 %, 1h36m   100.0 %, 1h36m
//	sequential                   0.5 %   86.4 %, 58m10s  100.0 %, 19m20s  100.0 %,  2m20s
//
// Two looks at one and the same number count twice, and a mean of five minutes that is looked at every ten seconds is nearly the same
// number thirty times: taken for thirty it is a false alarm in four soaks of five. So numbers are looked at every minute unless the project
// says otherwise, and of looks that are closer than the widest range in their queries only one counts (package judge).
//
// [Metric] and [Scorer] judge several metrics together, as Kayenta does.
//
// Sources: A. Wald, Sequential Analysis (1947), for likelihood ratios while sampling; H. Robbins, "Statistical methods related to the
// law of the iterated logarithm" (1970), for mixing over alternatives; R. Turner, A. Ly and P. Grünwald, "Generic E-variables for
// exact sequential k-sample tests" (2021), for conditioning block by block; H. Wang and A. Ramdas, "Anytime-valid t-tests and
// confidence sequences for Gaussian means with unknown variance" (2022), for the mean; for Kayenta, its published
// docs/canary-config.md and MannWhitneyClassifier.
package compare
