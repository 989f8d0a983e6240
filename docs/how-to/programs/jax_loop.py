import jax
import jax.numpy as jnp
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
train_images, test_images = jnp.array(images[:1400] / 16), jnp.array(images[1400:] / 16)
train_labels, test_labels = jnp.array(labels[:1400]), jnp.array(labels[1400:])
key = jax.random.key(0)


def initial(key):
    first, second = jax.random.split(key)
    return [
        (jax.random.normal(first, (64, 128)) * 0.1, jnp.zeros(128)),
        (jax.random.normal(second, (128, 10)) * 0.1, jnp.zeros(10)),
    ]


def loss_of(parameters, images, labels):
    (w1, b1), (w2, b2) = parameters
    logits = jax.nn.relu(images @ w1 + b1) @ w2 + b2
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels])


@jax.jit
def update(parameters, key, rate):
    batch = jax.random.randint(key, (64,), 0, len(train_images))
    loss, gradients = jax.value_and_grad(loss_of)(parameters, train_images[batch], train_labels[batch])
    return jax.tree.map(lambda value, gradient: value - rate * gradient, parameters, gradients), loss


def evaluate():
    return {"test_loss": loss_of(parameters, test_images, test_labels)}


parameters = initial(key)
for iteration in range(600):
    key, batch_key = jax.random.split(key)
    parameters, loss = update(parameters, batch_key, 0.1)

print(evaluate())
