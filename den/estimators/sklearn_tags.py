"""The only imports of scikit-learn in the library, inside functions: everything works without it."""

from typing import Any


class NotFittedError(ValueError, AttributeError):
    """The estimator has learned no task yet. With scikit-learn installed it is scikit-learn's error, too."""


def not_fitted(name: str) -> NotFittedError:
    """Return the error of an estimator, by its name, that has learned nothing."""
    message = f"this {name} has learned no task yet; call learn(X, y) or fit(X, y) first"
    try:
        from sklearn.exceptions import NotFittedError as OfScikitLearn
    except ImportError:
        return NotFittedError(message)
    return type("NotFittedError", (NotFittedError, OfScikitLearn), {})(message)


def tags() -> Any:
    """Return what scikit-learn asks of an estimator: a classifier of dense arrays that needs labels."""
    from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

    return Tags(
        estimator_type="classifier",
        target_tags=TargetTags(required=True),
        classifier_tags=ClassifierTags(),
        input_tags=InputTags(two_d_array=True),
    )
