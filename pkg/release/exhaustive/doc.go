// Package exhaustive is a model.
package exhaustive
