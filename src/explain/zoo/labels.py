"""The names of the classes of each data set, in the order of their labels."""

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

LANGUAGES = (
    "Arabic",
    "Chinese",
    "Czech",
    "Dutch",
    "English",
    "French",
    "German",
    "Greek",
    "Irish",
    "Italian",
    "Japanese",
    "Korean",
    "Polish",
    "Portuguese",
    "Russian",
    "Scottish",
    "Spanish",
    "Vietnamese",
)

SHAPES = ("circle", "square", "triangle", "cross", "ring", "star")

# Every order of three letters: no letter tells the class, and no two together do.
MOTIFS = ("abc", "acb", "bac", "bca", "cab", "cba")

# The tokens of the sequences in the order of their ids, which start at 1: letters, and a marker for each motif.
LETTERS = tuple("abcdefghij")
MARKERS = tuple(motif.upper() for motif in MOTIFS)
