"""The other usual way in Python: Celery behind Flask, with Redis between them.

The same resources as in threads.py.  BROKER is the path of Redis' socket.

	celery -A celeried:celery worker		runs the tasks
	gunicorn celeried:app		takes requests and answers them
"""
import os

from celery import Celery
from flask import Flask, url_for
from flask_restful import Resource, Api

app = Flask(__name__)
api = Api(app)

celery = Celery(
    'celeried',
    broker='redis+socket://' + os.environ['BROKER'],
    backend='redis+socket://' + os.environ['BROKER'])
celery.conf.update(
    result_expires=300,             # kept for 5 minutes, as by the others
    worker_prefetch_multiplier=64,  # the tasks are short
    worker_send_task_events=False)


@celery.task
def answer(path):
    return f'The answer is: {path}'


class GetTaskStatus(Resource):
    def get(self, task_id):
        result = answer.AsyncResult(task_id)
        if not result.ready():
            return '', 202, {'Location': url_for('gettaskstatus', task_id=task_id)}
        return result.get()


class CatchAll(Resource):
    def get(self, path=''):
        task_id = answer.delay(path).id
        return 'accepted', 202, {'Location': url_for('gettaskstatus', task_id=task_id)}


api.add_resource(CatchAll, '/<path:path>', '/')
api.add_resource(GetTaskStatus, '/status/<task_id>')
