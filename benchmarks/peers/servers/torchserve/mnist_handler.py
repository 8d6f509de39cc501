"""TorchServe's own MNIST example (examples/image_classifier/mnist): its ImageClassifier with two methods replaced."""

from torchvision import transforms
from ts.torch_handler.image_classifier import ImageClassifier


class MNISTDigitClassifier(ImageClassifier):
    """A grey image of 28×28 pixels in, the digit out."""

    image_processing = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

    def postprocess(self, data):
        """data: [N, 10] → N digits."""
        return data.argmax(1).flatten().tolist()
